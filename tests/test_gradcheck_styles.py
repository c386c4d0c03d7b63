"""Layers in every style: right ones are graded right, wrong ones are not."""

import ast
import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from right_layers import alarms, check, check_all

import nngan as nn
from nngan.gradcheck.__main__ import main, read_argument, read_shape
from nngan.gradcheck.process import remote
from nngan.gradcheck.sayings import is_said, say
from nngan.gradcheck.styles.guesses import VALUES, call_text
from nngan.gradcheck.styles.made import Settings
from nngan.gradcheck.styles.source import code_cells

PAGE = Path(__file__).parents[1] / "docs" / "gradcheck.md"

# name: (source, options of the command line, [(what, by what it is replaced), ...]).
# Each replacement makes a wrong layer.
LAYERS = {
    # -- functions, as in CS231n -----------------------------------------------------------------
    "affine": ("""
def affine_forward(x, w, b):
    out = x.reshape(x.shape[0], -1) @ w + b
    return out, (x, w, b)

def affine_backward(dout, cache):
    x, w, b = cache
    dx = (dout @ w.T).reshape(x.shape)
    dw = x.reshape(x.shape[0], -1).T @ dout
    db = dout.sum(axis=0)
    return dx, dw, db
""", {}, [("dx = (", "dx = -("), ("dw = x", "dw = 2 * x"), ("dout.sum(axis=0)", "dout[0]")]),
    "relu": ("""
def relu_forward(x):
    return np.maximum(0, x), x

def relu_backward(dout, cache):
    return dout * (cache > 0)
""", {}, [("dout * (cache > 0)", "dout * cache"), ("dout * (", "dout * 0.5 * (")]),
    "conv": ("""
def conv_forward(x, w, b, conv_param):
    s, p = conv_param['stride'], conv_param['pad']
    xp = np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)))
    n, f, k = len(x), len(w), w.shape[2]
    h = (xp.shape[2] - k) // s + 1
    v = (xp.shape[3] - k) // s + 1
    out = np.zeros((n, f, h, v))
    for i in range(h):
        for j in range(v):
            part = xp[:, :, i * s:i * s + k, j * s:j * s + k]
            out[:, :, i, j] = np.tensordot(part, w, ([1, 2, 3], [1, 2, 3])) + b
    return out, (xp, w, s, p)

def conv_backward(dout, cache):
    xp, w, s, p = cache
    k = w.shape[2]
    dxp, dw = np.zeros_like(xp), np.zeros_like(w)
    for i in range(dout.shape[2]):
        for j in range(dout.shape[3]):
            at = np.s_[:, :, i * s:i * s + k, j * s:j * s + k]
            dw += np.tensordot(dout[:, :, i, j].T, xp[at], 1)
            dxp[at] += np.tensordot(dout[:, :, i, j], w, 1)
    return dxp[:, :, p:-p, p:-p], dw, dout.sum(axis=(0, 2, 3))
""", {}, [
    ("dxp[at] +=", "dxp[at] ="),
    ("dw +=", "dw ="),
    ("sum(axis=(0, 2, 3))", "sum(axis=(0, 2, 3)) / 2"),
]),
    "batchnorm": ("""
def batchnorm_forward(x, gamma, beta, bn_param):
    mode, eps = bn_param['mode'], bn_param.get('eps', 1e-5)
    running = bn_param.get('running_mean', np.zeros(x.shape[1]))
    bn_param['running_mean'] = 0.9 * running + 0.1 * x.mean(axis=0)
    s = np.sqrt(x.var(axis=0) + eps)
    h = (x - x.mean(axis=0)) / s
    return gamma * h + beta, (h, s, gamma)

def batchnorm_backward(dout, cache):
    h, s, gamma = cache
    dgamma, dbeta, g = (dout * h).sum(0), dout.sum(0), dout * gamma
    dx = (g - g.mean(0) - h * (g * h).mean(0)) / s
    return dx, dgamma, dbeta
""", {}, [("g - g.mean(0) - h * (g * h).mean(0)", "g"), ("(dout * h).sum(0)", "dout.sum(0)")]),
    "softmax_loss": ("""
def softmax_loss(x, y):
    p = np.exp(x - x.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    n = len(x)
    loss = -np.log(p[np.arange(n), y]).mean()
    dx = p.copy()
    dx[np.arange(n), y] -= 1
    return loss, dx / n
""", {}, [("dx / n", "dx"), ("-= 1", "+= 1"), ("dx / n", "dx / n ** 2")]),
    # -- the state is in the object, as in deep-learning-from-scratch ------------------------------
    "Affine": ("""
class Affine:
    def __init__(self, W, b):
        self.W, self.b = W, b
        self.dW = self.db = None

    def forward(self, x):
        self.x = x
        return np.dot(x, self.W) + self.b

    def backward(self, dout):
        dx = np.dot(dout, self.W.T)
        self.dW = np.dot(self.x.T, dout)
        self.db = np.sum(dout, axis=0)
        return dx
""", {}, [
    ("self.W.T)", "self.W.T) * 2"),
    ("np.dot(self.x.T, dout)", "-np.dot(self.x.T, dout)"),
    ("np.sum(dout, axis=0)", "np.mean(dout, axis=0)"),
    ("self.dW = np.dot(self.x.T, dout)", "pass"),
]),
    "Relu": ("""
class Relu:
    def __init__(self):
        self.mask = None

    def forward(self, x):
        self.mask = (x <= 0)
        out = x.copy()
        out[self.mask] = 0
        return out

    def backward(self, dout):
        dout[self.mask] = 0
        return dout
""", {}, [("dout[self.mask] = 0", "dout[self.mask] = 1"), ("return dout", "return 2 * dout")]),
    "Dropout": ("""
class Dropout:
    def __init__(self, dropout_ratio=0.5):
        self.dropout_ratio = dropout_ratio

    def forward(self, x, train_flg=True):
        if train_flg:
            self.mask = np.random.rand(*x.shape) > self.dropout_ratio
            return x * self.mask
        return x * (1.0 - self.dropout_ratio)

    def backward(self, dout):
        return dout * self.mask
""", {}, [("dout * self.mask", "dout"), ("dout * self.mask", "dout * ~self.mask")]),
    "BatchNormalization": ("""
class BatchNormalization:
    def __init__(self, gamma, beta, momentum=0.9, running_mean=None):
        self.gamma, self.beta, self.momentum = gamma, beta, momentum
        self.running_mean = running_mean
        self.dgamma = self.dbeta = None

    def forward(self, x, train_flg=True):
        if self.running_mean is None:
            self.running_mean = np.zeros(x.shape[1])
        if train_flg:
            mu = x.mean(axis=0)
            self.xc = x - mu
            self.std = np.sqrt(np.mean(self.xc**2, axis=0) + 10e-7)
            self.xn = self.xc / self.std
            self.running_mean = self.momentum * self.running_mean + (1 - self.momentum) * mu
            out = self.xn
        else:
            out = x - self.running_mean
        return self.gamma * out + self.beta

    def backward(self, dout):
        self.dbeta = dout.sum(axis=0)
        self.dgamma = np.sum(self.xn * dout, axis=0)
        dxn = self.gamma * dout
        dxc = dxn / self.std
        dstd = -np.sum((dxn * self.xc) / (self.std * self.std), axis=0)
        dxc += (2.0 / len(dout)) * self.xc * 0.5 * dstd / self.std
        return dxc - np.sum(dxc, axis=0) / len(dout)
""", {}, [("dxc += (2.0", "dxc += (1.0"), ("self.xn * dout, axis", "dout, axis")]),
    "SoftmaxWithLoss": ("""
class SoftmaxWithLoss:
    def forward(self, x, t):
        self.t = t
        e = np.exp(x - x.max(axis=1, keepdims=True))
        self.y = e / e.sum(axis=1, keepdims=True)
        if self.t.size == self.y.size:
            self.t = self.t.argmax(axis=1)
        return -np.sum(np.log(self.y[np.arange(len(x)), self.t])) / len(x)

    def backward(self, dout=1):
        dx = self.y.copy()
        dx[np.arange(len(dx)), self.t] -= 1
        return dx * dout / len(dx)
""", {}, [("/ len(dx)", ""), ("-= 1", "-= 2")]),
    # -- results in self, as in nnfs ---------------------------------------------------------------
    "Layer_Dense": ("""
class Layer_Dense:
    def __init__(self, n_inputs, n_neurons, weight_regularizer_l2=0):
        self.weights = 0.01 * np.random.randn(n_inputs, n_neurons)
        self.biases = np.zeros((1, n_neurons))
        self.weight_regularizer_l2 = weight_regularizer_l2

    def forward(self, inputs, training):
        self.inputs = inputs
        self.output = np.dot(inputs, self.weights) + self.biases

    def backward(self, dvalues):
        self.dweights = np.dot(self.inputs.T, dvalues)
        self.dbiases = np.sum(dvalues, axis=0, keepdims=True)
        if self.weight_regularizer_l2 > 0:
            self.dweights += 2 * self.weight_regularizer_l2 * self.weights
        self.dinputs = np.dot(dvalues, self.weights.T)
""", {}, [
    ("self.weights.T)", "self.weights.T) / len(dvalues)"),
    ("self.inputs.T, dvalues)", "self.inputs.T, dvalues) * 3"),
    ("np.sum(dvalues, axis=0, keepdims=True)", "dvalues[:1]"),
]),
    "Activation_ReLU": ("""
class Activation_ReLU:
    def forward(self, inputs, training):
        self.inputs = inputs
        self.output = np.maximum(0, inputs)

    def backward(self, dvalues):
        self.dinputs = dvalues.copy()
        self.dinputs[self.inputs <= 0] = 0
""", {}, [("<= 0] = 0", ">= 0] = 0"), ("dvalues.copy()", "dvalues * self.inputs")]),
    "Activation_Softmax": ("""
class Activation_Softmax:
    def forward(self, inputs, training):
        self.inputs = inputs
        e = np.exp(inputs - np.max(inputs, axis=1, keepdims=True))
        self.output = e / np.sum(e, axis=1, keepdims=True)

    def backward(self, dvalues):
        self.dinputs = np.empty_like(dvalues)
        for index, (one, d) in enumerate(zip(self.output, dvalues)):
            one = one.reshape(-1, 1)
            jacobian = np.diagflat(one) - np.dot(one, one.T)
            self.dinputs[index] = np.dot(jacobian, d)
""", {}, [("- np.dot(one, one.T)", ""), ("np.diagflat(one) -", "np.diagflat(one) +")]),
    "Loss_CategoricalCrossentropy": ("""
class Loss:
    def calculate(self, output, y):
        return np.mean(self.forward(output, y))

class Loss_CategoricalCrossentropy(Loss):
    def forward(self, y_pred, y_true):
        clipped = np.clip(y_pred, 1e-7, 1 - 1e-7)
        if len(y_true.shape) == 1:
            right = clipped[range(len(y_pred)), y_true]
        else:
            right = np.sum(clipped * y_true, axis=1)
        return -np.log(right)

    def backward(self, dvalues, y_true):
        if len(y_true.shape) == 1:
            y_true = np.eye(len(dvalues[0]))[y_true]
        self.dinputs = -y_true / dvalues
        self.dinputs = self.dinputs / len(dvalues)
""", {}, [("self.dinputs = self.dinputs / len(dvalues)", "pass"), ("= -y_true", "= y_true")]),
    # -- containers -------------------------------------------------------------------------------
    "ListAffine": ("""
class ListAffine:
    def __init__(self, n_in=4, n_out=3):
        self.params = [np.random.randn(n_in, n_out), np.zeros(n_out)]
        self.grads = [np.zeros_like(p) for p in self.params]

    def forward(self, x):
        W, b = self.params
        self.x = x
        return x @ W + b

    def backward(self, dout):
        W, b = self.params
        self.grads[0][...] = self.x.T @ dout
        self.grads[1][...] = dout.sum(axis=0)
        return dout @ W.T
""", {}, [
    ("self.x.T @ dout", "self.x.T @ dout * 5"),
    ("dout.sum(axis=0)", "0"),
    ("dout @ W.T", "dout @ W.T / 2"),
]),
    "DictAffine": ("""
class DictAffine:
    def __init__(self, n_in=4, n_out=3):
        self.params = {'W': np.random.randn(n_in, n_out), 'b': np.zeros(n_out)}
        self.grads = {}

    def forward(self, x):
        return x @ self.params['W'] + self.params['b'], x

    def backward(self, dout, x):
        self.grads['W'] = x.T @ dout
        self.grads['b'] = dout.sum(axis=0)
        return dout @ self.params['W'].T
""", {}, [
    ("x.T @ dout", "-x.T @ dout"),
    ("= dout.sum(axis=0)", "= dout.mean(axis=0)"),
    ("dout @ self", "-dout @ self"),
]),
    "ReturnsAll": ("""
class ReturnsAll:
    def __init__(self, n_in=4, n_out=3):
        self.W, self.b = np.random.randn(n_in, n_out), np.zeros(n_out)

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        return dout @ self.W.T, self.x.T @ dout, dout.sum(axis=0)
""", {}, [
    ("self.x.T @ dout", "self.x.T @ dout * 2"),
    ("dout.sum(axis=0)", "dout.sum(axis=0) * 2"),
]),
    "StepInBackward": ("""
class StepInBackward:
    def __init__(self, input_size, output_size):
        self.weights = np.random.randn(output_size, input_size)
        self.bias = np.random.randn(output_size, 1)

    def forward(self, input):
        self.input = input
        return np.dot(self.weights, self.input) + self.bias

    def backward(self, output_gradient, learning_rate):
        weights_gradient = np.dot(output_gradient, self.input.T)
        input_gradient = np.dot(self.weights.T, output_gradient)
        self.weights -= learning_rate * weights_gradient
        self.bias -= learning_rate * output_gradient.sum(axis=1, keepdims=True)
        return input_gradient
""", {}, [
    ("self.weights -= learning_rate", "self.weights -= 2 * learning_rate"),
    ("self.weights.T, output", "-self.weights.T, output"),
    ("self.bias -=", "self.bias +="),
]),
    # -- samples in columns ------------------------------------------------------------------------
    "ColumnDense": ("""
class ColumnDense:
    def __init__(self, n_x=4, n_h=3):
        self.W, self.b = np.random.randn(n_h, n_x), np.zeros((n_h, 1))

    def forward(self, A):
        self.A = A
        return self.W @ A + self.b

    def backward(self, dZ):
        self.dW = dZ @ self.A.T
        self.db = dZ.sum(axis=1, keepdims=True)
        return self.W.T @ dZ
""", {}, [
    ("dZ @ self.A.T", "dZ @ self.A.T / dZ.shape[1]"),
    ("self.W.T @ dZ", "self.W.T @ dZ * 2"),
    ("dZ.sum(axis=1, ", "dZ.mean(axis=1, "),
]),
    "linear": ("""
def linear_forward(A, W, b):
    return np.dot(W, A) + b, (A, W, b)

def linear_backward(dZ, cache):
    A, W, b = cache
    return np.dot(W.T, dZ), np.dot(dZ, A.T), np.sum(dZ, axis=1, keepdims=True)
""", {}, [
    ("np.dot(dZ, A.T)", "np.dot(dZ, A.T) / A.shape[1]"),
    ("np.dot(W.T, dZ)", "-np.dot(W.T, dZ)"),
]),
    # -- images ------------------------------------------------------------------------------------
    "Convolution": ("""
class Convolution:
    def __init__(self, in_channels, out_channels, kernel_size=3):
        self.k = kernel_size
        self.W = np.random.randn(out_channels, in_channels, self.k, self.k)
        self.b = np.zeros(out_channels)

    def forward(self, x):
        n, c, h, v = x.shape
        self.x, k = x, self.k
        y = np.zeros((n, len(self.W), h - k + 1, v - k + 1))
        for i in range(y.shape[2]):
            for j in range(y.shape[3]):
                part = x[:, :, i:i + k, j:j + k]
                y[:, :, i, j] = np.tensordot(part, self.W, ([1, 2, 3], [1, 2, 3]))
        return y + self.b.reshape(1, -1, 1, 1)

    def backward(self, dy):
        dx, self.dW, k = np.zeros_like(self.x), np.zeros_like(self.W), self.k
        for i in range(dy.shape[2]):
            for j in range(dy.shape[3]):
                self.dW += np.tensordot(dy[:, :, i, j].T, self.x[:, :, i:i + k, j:j + k], 1)
                dx[:, :, i:i + k, j:j + k] += np.tensordot(dy[:, :, i, j], self.W, 1)
        self.db = dy.sum(axis=(0, 2, 3))
        return dx
""", {}, [
    ("self.dW += np", "self.dW -= np"),
    ("j + k] += np", "j + k] = np"),
    ("dy.sum(axis=(0, 2, 3))", "dy.sum(axis=(0, 2, 3)) / len(dy)"),
]),
    "MaxPool": ("""
class MaxPool:
    def __init__(self, pool_size=2):
        self.p = pool_size

    def forward(self, x):
        n, c, h, v = x.shape
        self.x, p = x, self.p
        self.blocks = x.reshape(n, c, h // p, p, v // p, p)
        self.y = self.blocks.max(axis=(3, 5))
        return self.y

    def backward(self, dy):
        mask = self.blocks == self.y[:, :, :, None, :, None]
        return (mask * dy[:, :, :, None, :, None]).reshape(self.x.shape)
""", {"shape": (3, 8, 8)}, [("(mask * dy", "(dy"), ("(mask * dy", "(mask / 4 * dy")]),
    "Conv3x3": ("""
class Conv3x3:
    def __init__(self, num_filters):
        self.num_filters = num_filters
        self.filters = np.random.randn(num_filters, 3, 3) / 9

    def iterate_regions(self, image):
        h, w = image.shape
        for i in range(h - 2):
            for j in range(w - 2):
                yield image[i:(i + 3), j:(j + 3)], i, j

    def forward(self, input):
        self.last_input = input
        h, w = input.shape
        output = np.zeros((h - 2, w - 2, self.num_filters))
        for region, i, j in self.iterate_regions(input):
            output[i, j] = np.sum(region * self.filters, axis=(1, 2))
        return output

    def backprop(self, d_L_d_out, learn_rate):
        d_L_d_filters, d_input = np.zeros(self.filters.shape), np.zeros(self.last_input.shape)
        for region, i, j in self.iterate_regions(self.last_input):
            for f in range(self.num_filters):
                d_L_d_filters[f] += d_L_d_out[i, j, f] * region
                d_input[i:i + 3, j:j + 3] += d_L_d_out[i, j, f] * self.filters[f]
        self.filters -= learn_rate * d_L_d_filters
        return d_input
""", {}, [
    ("d_L_d_filters[f] +=", "d_L_d_filters[f] -="),
    ("return d_input", "return 2 * d_input"),
]),
    # -- other names -------------------------------------------------------------------------------
    "Named": ("""
class Named:
    def __init__(self, in_features, out_features):
        self.W, self.b = np.random.randn(in_features, out_features), np.random.randn(out_features)

    def __call__(self, x):
        self.x = x
        return np.tanh(x @ self.W + self.b)

    def backprop(self, grad_output):
        g = grad_output * (1 - self(self.x) ** 2)
        self.dW, self.db = self.x.T @ g, g.sum(0)
        return g @ self.W.T
""", {"args": {"in_features": 6}}, [
    ("1 - self(", "1 - 2 * self("),
    ("g.sum(0)", "-g.sum(0)"),
    ("g @ self.W.T", "g @ self.W.T * 1.01"),
]),
    "WithInput": ("""
class WithInput:
    def __init__(self, input_units=4, output_units=3):
        self.weights = np.random.randn(input_units, output_units)

    def forward(self, input):
        return input @ self.weights

    def backward(self, input, grad_output):
        self.dweights = input.T @ grad_output
        return grad_output @ self.weights.T
""", {}, [("= input.T @", "= -input.T @"), ("return grad", "return 3 * grad")]),
    "Plain": ("""
class Plain:
    def __init__(self, n_in, n_out):
        self.W, self.b = np.random.randn(n_in, n_out), np.zeros(n_out)
        self.dW, self.db = np.zeros_like(self.W), np.zeros_like(self.b)

    def forward(self, x):
        return x @ self.W + self.b, x

    def backward(self, dy, x):
        self.dW += x.T @ dy
        self.db += dy.sum(axis=0)
        return dy @ self.W.T
""", {"args": {"n_in": 4, "n_out": 2}}, [
    ("self.dW +=", "self.dW ="),
    ("dy.sum(axis=0)", "dy.sum()"),
    ("return dy", "return -dy"),
]),
}  # fmt: skip
WRONG = [(name, i) for name, (_, _, wrong) in LAYERS.items() for i in range(len(wrong))]


def report_of(name, source, options, folder):
    text = "import numpy as np\n" + source
    return check(text, name, Settings(**options), folder)


@pytest.mark.parametrize("name", LAYERS)
def test_a_right_layer_is_graded_right(name, tmp_path):
    source, options, _ = LAYERS[name]
    report = report_of(name, source, options, tmp_path)
    assert report.ok, report
    assert str(report).startswith(f"{name}: gradients agree")


@pytest.mark.parametrize(("name", "i"), WRONG)
def test_a_wrong_layer_is_not_graded_right(name, i, tmp_path):
    source, options, wrong = LAYERS[name]
    before, after = wrong[i]
    assert before in source
    report = report_of(name, source.replace(before, after), options, tmp_path)
    assert not report.ok, report


# All of a file in the manner of a course or a book, and what in it cannot be checked.
FILES = {
    "functions": (15, {"lstm_step"}),
    "state": (9, {"Embedding"}),
    "results": (10, set()),
    "columns": (6, set()),
    "classes": (8, set()),
    "cells": (4, {"LSTM"}),
}


@pytest.mark.parametrize("name", FILES)
def test_files_as_courses_and_books_have_them(name, tmp_path):
    n, unknown = FILES[name]
    source = (Path(__file__).parent / "layers" / f"{name}.txt").read_text(encoding="utf-8")
    reports = check_all("import numpy as np\n" + source, Settings(), tmp_path)
    assert len(reports) == n
    for each, report in reports.items():
        assert report.verdict == ("inconclusive" if each in unknown else "right"), report


CELLS = (Path(__file__).parent / "layers" / "cells.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "old", "new", "words"),
    [
        ("Cell", "self.dWh += h.T @ d", "self.dWh += -h.T @ d", "dWh has the wrong sign"),
        ("Cell", "self.Wx.T, d @", "self.Wx.T, -d @", "dh has the wrong sign"),
        ("RNN", "return dt @ Wx.T, dt @", "return dt @ Wx.T, -dt @", "dh_prev has the wrong sign"),
        ("RNN", "return dt @ Wx.T, dt @ Wh.T", "return dt @ Wx.T", "further arguments"),
        ("TwoLayerNet", 'g["b1"] = dh', 'g["b1"] = -dh', "db1 has the wrong sign"),
        ("TwoLayerNet", "2 * reg * W1", "reg * W1", ""),
        ("TwoLayerNet", 'g["b1"] =', 'g["b"] =', "KeyError: 'b1'"),
        ("TwoLayerNet", 'self.params["b2"] = ', "self.c = 1 + ", "c affects the output but has no"),
    ],
)  # fmt: skip
def test_a_wrong_cell_or_network_is_not_right(name, old, new, words, tmp_path):
    assert old in CELLS
    source = "import numpy as np\n" + CELLS.replace(old, new)
    if "self.c" in new:
        source = (
            source.replace('("W1", "b1", "W2", "b2"))', '("W1", "b1", "W2")), self.c')
            .replace("W1, b1, W2, b2 = (self", "(W1, b1, W2), b2 = (self")
            .replace(', "b2": d.sum(0)', "")
        )
    if "reg" in new:
        source = source.replace("reg=0.0", "reg=0.3")
    report = report_of(name, source, {}, tmp_path)
    assert not report.ok
    assert words in str(report)


def test_cells_in_python():
    layers = {"np": np}
    exec(CELLS, layers)
    rng = np.random.default_rng(0)
    x, h = rng.standard_normal((5, 4)), rng.standard_normal((5, 3))
    assert nn.check_gradients(layers["Cell"](), x, h).ok
    rnn = layers["RNN"](rng.standard_normal((4, 3)), rng.standard_normal((3, 3)), np.zeros(3))
    assert nn.check_gradients(rnn, x, h).ok


def test_right_layers_at_random_raise_no_alarm(tmp_path):
    assert list(alarms(30, 1, tmp_path)) == []


@pytest.mark.slow
def test_two_thousand_right_layers_raise_no_alarm(tmp_path):
    assert list(alarms(2000, 0, tmp_path)) == []


# -- guesses, options, and what is said of them ---------------------------------------------------


def test_every_guess_can_be_said():
    for name, value in VALUES.items():
        assert is_said(say("created", call=call_text("L", {name: value}), name=name), ("created",))


def test_guessed_arguments_are_said_with_the_option_that_changes_them(tmp_path):
    source, _, _ = LAYERS["Layer_Dense"]
    text = str(report_of("Layer_Dense", source, {}, tmp_path))
    assert "Created as Layer_Dense(n_inputs=4, n_neurons=3), guessed by name." in text
    assert "--args n_inputs=VALUE changes that." in text
    given = {"args": {"n_inputs": 6, "n_neurons": 2}}
    text = str(report_of("Layer_Dense", source, given, tmp_path))
    assert "guessed" not in text
    assert re.search(r"dweights +\(6, 2\)", text)


def test_an_argument_without_a_guess_is_named(tmp_path):
    source = LAYERS["Plain"][0].replace("n_in, n_out)", "n_in, wobble)", 1)
    report = report_of("Plain", source.replace("n_out", "wobble"), {}, tmp_path)
    assert not report.ok
    assert [f.kind for f in report.findings] == ["needs_arguments"]
    assert "--args wobble=VALUE" in str(report)


@pytest.mark.parametrize(
    ("signature", "given", "notes"),
    [
        ("n_in, n_out", {"n_in": 6, "n_out": 2}, []),
        ("in_features, units", {"n_in": 6, "n_out": 2}, ["in_features", "units"]),
        ("units, input_dim", {"n_in": 6, "n_out": 2}, ["input_dim", "units"]),
        ("here, there", {"n_in": 6, "n_out": 2}, ["here", "there"]),
        ("n_in=6, n_out=2", {"speed": 3}, [None]),
    ],
)
def test_arguments_reach_a_class_that_has_other_names_for_them(signature, given, notes, tmp_path):
    names = [part.partition("=")[0] for part in signature.split(", ")]
    first, second = names[::-1] if "units, " in signature else names
    source = (
        f"class Linear:\n    def __init__(self, {signature}):\n"
        f"        self.W = np.random.randn({first}, {second})\n"
        "        self.dW = np.zeros_like(self.W)\n"
        "    def forward(self, x): return x @ self.W, x\n"
        "    def backward(self, dy, x):\n        self.dW += x.T @ dy\n"
        "        return dy @ self.W.T\n"
    )
    report = report_of("Linear", source, {"args": given}, tmp_path)
    assert report.ok
    assert report.arrays[1].shape == (6, 2)
    said = [f.sentence for f in report.findings if "was given" in f.sentence]
    assert said == [
        f"{k} was given, and the class calls it {name}."
        if name
        else f"{k} was given, and Linear has no such argument."
        for k, name in zip(given, notes, strict=False)
    ]


def test_the_settings_of_functions_can_be_given(tmp_path):
    source, _, _ = LAYERS["conv"]
    report = report_of("conv", source, {}, tmp_path)
    assert "Called with conv_param={'stride': 1, 'pad': 1}." in str(report)
    own = {"args": {"conv_param": {"stride": 2, "pad": 2}}, "shape": (2, 5, 5)}
    report = report_of("conv", source, own, tmp_path)
    assert report.ok, report
    assert "Called with" not in str(report)
    assert report.arrays[0].shape == (2, 2, 5, 5)


@pytest.mark.parametrize(
    ("shape", "x"), [(None, (2, 4, 6, 6)), ((4, 8, 8), (2, 4, 8, 8)), ((1, 4, 6), (2, 1, 4, 6))]
)
def test_the_shape_of_images(shape, x, tmp_path):
    source = """
class AvgPool:
    def forward(self, x):
        n, c, h, w = self.shape = x.shape
        return x.reshape(n, c, h // 2, 2, w // 2, 2).mean(axis=(3, 5))
    def backward(self, dy):
        return dy.repeat(2, axis=2).repeat(2, axis=3) / 4
"""
    report = report_of("AvgPool", source, {"shape": shape}, tmp_path)
    assert report.ok, report
    assert report.arrays[0].shape == x


@pytest.mark.parametrize(
    "init",
    [
        "self.input_shape = (2, 5, 7)",
        "self.input_shape = (None, 2, 5, 7)",
        "self.in_channels = 2",
        "self.gamma = np.ones((1, 2, 1, 1))",
        "self.n_in = 9",
        "self.weights = {'W1': np.ones((9, 3))}",
    ],
)
def test_the_shape_comes_from_what_the_class_declares(init, tmp_path):
    is_image = "9" not in init
    source = f"""
class Only:
    def __init__(self):
        {init}

    def forward(self, x):
        assert {"x.ndim == 4 and x.shape[1] == 2" if is_image else "x.shape[1] == 9"}
        self.x = x
        return x ** 2

    def backward(self, dy):
        return 2 * self.x * dy
"""
    report = report_of("Only", source, {}, tmp_path)
    assert report.arrays[0].ok, report
    if "input_shape" in init:
        assert report.arrays[0].shape[1:] == (2, 5, 7)


def test_a_mean_over_columns_is_diagnosed(tmp_path):
    source, options, wrong = LAYERS["ColumnDense"]
    report = report_of("ColumnDense", source.replace(*wrong[0]), options, tmp_path)
    assert not report.ok
    assert "N = 5" in str(report), report


def test_labels_are_the_names_of_the_student(tmp_path):
    labels = {
        "Layer_Dense": ["x", "weights", "biases"],
        "ListAffine": ["x", "params[0]", "params[1]"],
        "DictAffine": ["x", "params['W']", "params['b']"],
        "affine": ["x", "w", "b"],
        "Affine": ["x", "W", "b"],
        "StepInBackward": ["x", "weights", "bias"],
        "ReturnsAll": ["x", "W", "b"],
    }
    for name, wanted in labels.items():
        report = report_of(name, *LAYERS[name][:2], tmp_path)
        assert [a.name for a in report.arrays] == wanted


def test_a_state_that_is_set_or_added_to_is_right_but_only_one_way_with_an_option(tmp_path):
    source, _, _ = LAYERS["ListAffine"]
    adds = source.replace("[...] =", "[...] +=")
    for text, accumulate, ok in [
        (source, None, True), (adds, None, True), (source, True, False), (adds, True, True),
        (source, False, True), (adds, False, False),
    ]:  # fmt: skip
        report = report_of("ListAffine", text, {"accumulate": accumulate}, tmp_path)
        assert report.ok == ok, report


STRANGE = """
class Strange:
    def __init__(self, n_in):
        self.W = np.random.randn(n_in, 3)
    def apply(self, x):
        self.x = x
        return x @ self.W
    def derive(self, dy):
        self.dW = self.x.T @ dy
        return dy @ self.W.T
"""


def test_the_adapter_that_is_printed_works(command, tmp_path):
    status, out, err = command(STRANGE)
    assert (status, out) == (2, "")
    assert "If Strange is the layer, add this adapter below it:" in err
    lines = err[err.index("class StrangeAdapter") :]
    assert len(lines.splitlines()) == 4
    status, out, _ = command(STRANGE + lines)
    assert (status, "StrangeAdapter: gradients agree" in out) == (0, True), out
    status, out, _ = command(STRANGE.replace("self.x.T @ dy", "-self.x.T @ dy") + lines)
    assert status == 1


@pytest.mark.parametrize(
    ("forward", "backward", "words"),
    [
        (
            "x, h): return x",
            "dy): return dy",
            "forward has further arguments that cannot be guessed (h)",
        ),
        ("x): return 'text'", "dy): return dy", "got str 'text'"),
        ("x): return x", "dy, how): return dy", "or y alone where backward takes dy alone"),
        ("x): pass", "dy): return dy", "got None"),
    ],
)
def test_what_is_in_no_known_style_gets_an_adapter(forward, backward, words, tmp_path):
    source = f"class Odd:\n    def forward(self, {forward}\n    def backward(self, {backward}\n"
    report = report_of("Odd", source, {}, tmp_path)
    assert not report.ok
    assert words in str(report)
    assert "class OddAdapter:" in str(report)


ODD_CUBES = {
    "two methods": ("apply(self, x): self.x = x; return x**3", "derive(self, dy): return DX"),
    "a cache": ("apply(self, x): return x**3, x", "derive(self, dy, c): self.x = c; return DX"),
    "a cache x": ("apply(self, x): return x**3, x", "derive(self, dy, x): self.x = x; return DX"),
    "a factor": ("apply(self, x, k): self.x = x; return x**3", "derive(self, dy, q): return DX"),
    "a size": (
        "__init__(self, n_in, speed): pass\n    def apply(self, x): self.x = x; return x**3",
        "derive(self, dy): return DX",
    ),
}


@pytest.mark.parametrize("name", ODD_CUBES)
def test_every_adapter_runs_as_it_is_printed(name, tmp_path):
    passes = [f"    def {text}\n" for text in ODD_CUBES[name]]
    source = "import numpy as np\n\n\nclass Odd:\n" + "".join(passes)
    source = source.replace("DX", "3 * self.x**2 * dy")
    file = tmp_path / "odd.py"
    file.write_text(source)
    (report,) = remote.check_file(file, "Odd", Settings(), timeout=60)
    source += "\n\n" + report.findings[0].evidence.partition("below it:\n")[2] + "\n"
    for wrong in (False, True):
        file.write_text(source.replace("3 * self.x", "2 * self.x") if wrong else source)
        # The name of the class is that of the sheet.
        (report,) = remote.check_file(file, "Odd", Settings(), timeout=60)
        assert (report.name, report.ok) == ("OddAdapter", not wrong), report


def test_functions_that_accept_nothing_say_what_to_give(tmp_path):
    source = "def odd_forward(x, q):\n    raise ValueError('no')\ndef odd_backward(d, c): pass\n"
    report = report_of("odd", source, {}, tmp_path)
    assert not report.ok
    assert "--shape" in str(report)
    assert "ValueError: no" in str(report)


# -- in Python ------------------------------------------------------------------------------------


def test_objects_of_other_styles_are_recognised_in_python():
    x = np.random.default_rng(0).standard_normal((5, 4))
    names = {"np": np}
    for name in ("Relu", "Layer_Dense", "ListAffine", "ReturnsAll", "SoftmaxWithLoss", "affine"):
        exec(LAYERS[name][0], names)
    rng = np.random.default_rng(1)
    W, b, t = rng.standard_normal((4, 3)), np.zeros(3), np.array([0, 1, 2, 3, 0])
    pair = names["affine_forward"], names["affine_backward"]
    assert nn.check_gradients(names["Relu"](), x).ok
    assert nn.check_gradients(names["Layer_Dense"](4, 3), x).ok
    assert nn.check_gradients(names["ListAffine"](), x).ok
    assert nn.check_gradients(names["ReturnsAll"](), x).ok
    assert nn.check_gradients(names["SoftmaxWithLoss"](), x, t).ok
    assert nn.check_gradients(pair, x, W, b).ok
    layer = names["ReturnsAll"]()
    layer.backward = lambda dy: (dy @ layer.W.T, 2 * layer.x.T @ dy, dy.sum(axis=0))
    assert not nn.check_gradients(layer, x).ok


def test_columns_are_recognised_in_python():
    names = {"np": np}
    exec(LAYERS["ColumnDense"][0], names)
    x = np.random.default_rng(0).standard_normal((4, 6))
    assert nn.check_gradients(names["ColumnDense"](), x).ok


def test_an_object_without_passes_is_refused_with_an_adapter():
    names = {"np": np}
    exec(STRANGE, names)
    with pytest.raises(TypeError, match=r"self\.inner = Strange"):
        nn.check_gradients(names["Strange"](4), np.ones((5, 4)))


def test_what_the_user_passes_is_left_as_it_was():
    names = {"np": np}
    exec(LAYERS["Layer_Dense"][0], names)
    layer, x = names["Layer_Dense"](4, 3), np.ones((5, 4))
    weights, before = layer.weights, layer.weights.copy()
    np.random.seed(3)  # noqa: NPY002
    nn.check_gradients(layer, x)
    first = np.random.rand()  # noqa: NPY002
    np.random.seed(3)  # noqa: NPY002
    assert np.random.rand() == first  # noqa: NPY002
    assert layer.weights is weights
    assert np.array_equal(weights, before)
    assert not hasattr(layer, "output")


# -- notebooks ------------------------------------------------------------------------------------


def notebook(*cells):
    cells = [
        {"cell_type": "code", "execution_count": 1, "metadata": {}, "outputs": [], "source": cell}
        for cell in cells
    ]
    return json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


CUBE = """class Cube:
    def forward(self, x):
        self.x = x
        return x ** 3
    def backward(self, dy):
        return 3 * self.x ** 2 * dy
"""


def test_a_notebook_is_checked_and_a_failing_cell_is_named(tmp_path):
    text = notebook(
        "%matplotlib inline\nimport numpy as np\n!pip install x\nfiles = !ls\nnp.sin?",
        ["%%time\n", "import matplotlib.pyplot as plt\n", "plt.plot([1, 2]); plt.show()\n"],
        "%%bash\nrm -rf nothing",
        "1 / 0\n" + CUBE,
        "display(Cube()); get_ipython().run_line_magic('time', 'x')",
        "def later(): pass",
        "raise SystemExit",
    )
    report = check(text, "Cube", Settings(), tmp_path)
    assert report.ok, report
    notes = [f.sentence for f in report.findings]
    assert notes == ["Cell 4 failed: ZeroDivisionError: division by zero, line 1"]
    wrong = text.replace("3 * self.x ** 2", "2 * self.x")
    assert not check(wrong, "Cube", Settings(), tmp_path).ok


def test_a_cell_that_is_no_python_is_skipped_and_named(tmp_path):
    report = check(notebook("import numpy as np", "a = (", CUBE), "Cube", Settings(), tmp_path)
    assert report.ok
    assert "Cell 2 failed: SyntaxError: '(' was never closed, line 1" in str(report)


def test_old_notebooks_and_sources_in_lines():
    old = {"worksheets": [{"cells": [{"cell_type": "code", "input": ["a = 1\n", "b = 2"]}]}]}
    assert code_cells(json.dumps(old)) == ["a = 1\nb = 2\n"]
    new = {"cells": [{"cell_type": "markdown", "source": "x"}, {"cell_type": "code", "source": ""}]}
    assert code_cells(json.dumps(new)) == ["\n"]


def test_the_line_of_an_error_in_a_notebook_is_shown(command, tmp_path):
    text = notebook("import numpy as np", CUBE.replace("return 3 *", "return unknown *"))
    status, out, _ = command(text, file="homework.ipynb")
    assert status == 1
    assert "return unknown * self.x ** 2 * dy" in out


# -- the command line -----------------------------------------------------------------------------


@pytest.fixture
def command(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)

    def run(source, *options, file="layer.py"):
        text = source if file.endswith(".ipynb") else "import numpy as np\n" + source
        Path(file).write_text(text, encoding="utf-8")
        try:
            status = main([file, *options])
        except SystemExit as stop:
            status = stop.code
        return status, *capfd.readouterr()

    return run


def test_the_options_of_the_command_line(command):
    two = LAYERS["Plain"][0] + LAYERS["affine"][0].replace("return dx", "return -dx")
    status, out, _ = command(two, "--args", "n_in=6", "n_out=2", "--class", "Plain")
    assert (status, bool(re.search(r"dW +\(6, 2\)", out))) == (0, True)
    status, out, _ = command(two)
    assert status == 1
    assert "Plain: gradients agree" in out
    assert "affine: gradients are WRONG" in out
    status, out, _ = command(two, "--class", "Other")
    assert status == 2


@pytest.mark.parametrize(
    ("text", "value"),
    [("a=4", 4), ("a=0.5", 0.5), ("a=true", True), ("a=True", True), ("a=(3, 8)", (3, 8)),
     ('a={"pad": 1}', {"pad": 1}), ("a={'pad': 1}", {"pad": 1}), ("a=relu", "relu"),
     ("a=x=y", "x=y"), ("a=null", None)],
)  # fmt: skip
def test_values_of_arguments(text, value):
    assert read_argument(text) == ("a", value)


def test_shapes_and_invalid_values(command):
    assert read_shape("3,8,8") == (3, 8, 8)
    assert read_shape("(4,)") == (4,)
    for option, value in [
        ("--shape", "3,x"),
        ("--shape", "0"),
        ("--args", "n_in"),
        ("--shape", ""),
    ]:
        status, _, err = command(CUBE, option, value)
        assert (status, len(err.splitlines())) == (2, 1), err
        assert f"argument {option}: must be" in err


# -- the page -------------------------------------------------------------------------------------


def sections():
    """Return the subsections on styles: (title, blocks), each block with its language."""
    page = PAGE.read_text(encoding="utf-8")
    part = page[page.index("## Code in another style") :]
    part = part[: part.index("\n## ", 5)]
    for text in part.split("\n### ")[1:]:
        title = text.split("\n", 1)[0]
        yield title, re.findall(r"^```(\w+)\n(.*?)^```$", text, re.M | re.S)


@pytest.mark.parametrize(("title", "blocks"), list(sections()), ids=[t for t, _ in sections()])
def test_the_page_shows_a_layer_that_is_right(title, blocks, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    ran = 0
    for kind, text in blocks:
        first = text.split("\n", 1)[0]
        if kind == "ipython":
            cells = text.split("\n", 1)[1].split("\n# the next cell\n")
            Path(first[2:]).write_text(notebook(*cells), encoding="utf-8")
        elif kind == "python" and first.startswith("# "):
            Path(first[2:]).write_text(text, encoding="utf-8")
        elif kind == "python":
            exec(text, {})
            ran += 1
        elif kind == "sh":
            program, *words = shlex.split(text)
            assert (program, words[:2]) == ("python", ["-m", "nngan.gradcheck"])
            assert main(words[2:]) == 0, capfd.readouterr().out
            ran += 1
    assert ran


def test_the_page_prints_the_adapter_that_the_checker_prints(command):
    text = next(t for title, blocks in sections() for k, t in blocks if "class Strange:" in t)
    source, adapter = text.split("class StrangeAdapter", 1)
    _, _, err = command(source)
    printed = err[err.index("class StrangeAdapter") :]
    assert ast.dump(ast.parse(printed)) == ast.dump(ast.parse("class StrangeAdapter" + adapter))
