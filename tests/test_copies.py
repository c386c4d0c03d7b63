"""Every way of copying a network or a game keeps the layers' arrays parts of one, or is refused."""

import copy
import multiprocessing
import pickle
from functools import partial

import joblib
import numpy as np
import pytest
from games import data, fit, float32_game, saved_state
from hypothesis import given, settings
from hypothesis import strategies as st

import nngan as nn


def through_joblib(value, folder):
    joblib.dump(value, folder / "value")
    return joblib.load(folder / "value")


def through_a_process(value, folder):
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(copy.copy, (value,))


# What a program may do with a game on its way from one `fit` to the next.
COPIES = {
    "pickle": lambda gan, folder: pickle.loads(pickle.dumps(gan)),
    "joblib": through_joblib,
    "copy": lambda gan, folder: copy.copy(gan),
    "deepcopy": lambda gan, folder: copy.deepcopy(gan),
    "a file": lambda gan, folder: (gan.save(folder / "a.npz"), nn.GAN.load(folder / "a.npz"))[1],
}


def networks(gan):
    return [n for n in (gan.G, gan.D, gan.G_ema) if n is not None]


def is_whole(network):
    """Tell by memory alone whether the arrays of all layers are parts of the network's."""
    return all(
        np.shares_memory(getattr(layer, prefix + name), flat)
        for layer in network.leaves()
        for prefix, flat, shapes in (
            ("", network.params, layer.shapes), ("d", network.grads, layer.shapes),
            ("", network.buffers, layer.buffer_shapes),
        )
        for name in shapes
    )  # fmt: skip


def a_game():
    return float32_game(ema=0.5, d_optimizer=nn.SGD(0.01, 0.9))


@settings(max_examples=25, deadline=None)
@given(ways=st.lists(st.sampled_from(sorted(COPIES)), min_size=1, max_size=4))
def test_a_game_that_was_copied_in_any_way_goes_on_as_if_it_was_not(ways, tmp_path_factory):
    folder = tmp_path_factory.mktemp("copies")
    plain, gan = a_game(), a_game()
    for way in ways:
        fit(plain, data(16), epochs=1)
        fit(gan, data(16), epochs=1)
        gan = COPIES[way](gan, folder)
        assert all(map(is_whole, networks(gan)))
        assert gan.g_optimizer.network is gan.G
    fit(plain, data(16), epochs=1)
    fit(gan, data(16), epochs=1)
    assert saved_state(gan) == saved_state(plain)


def test_another_process_gets_a_game_that_learns(tmp_path):
    gan = through_a_process(a_game(), tmp_path)
    assert all(map(is_whole, networks(gan)))


@pytest.mark.parametrize("way", ["pickle", "joblib", "copy", "deepcopy"])
def test_a_network_that_was_copied_learns(way, tmp_path):
    net = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm(2), nn.Sequential(nn.Linear(2, 1)), seed=1)
    net = COPIES[way](net, tmp_path)
    optimizer = nn.SGD(0.1).bind(net)
    x = data(8)[:, :3]
    before = net(x)
    y, cache = net.forward(x)
    net.backward(np.ones_like(y), cache)
    optimizer.step()
    assert is_whole(net)
    assert (net(x) != before).any()


def new_array(network, layer, name):
    setattr(layer, name, np.zeros_like(getattr(layer, name)))


def another_network(network, layer):
    nn.Sequential(layer, seed=None)


def new_flat_array(network, layer, name):
    setattr(network, name, np.zeros_like(getattr(network, name)))


def another_layer(network, layer):
    network.layers[network.layers.index(layer)] = nn.Linear(layer.n_in, layer.n_out)


BREAKS = {
    "layer.W = array": partial(new_array, name="W"),
    "layer.b = array": partial(new_array, name="b"),
    "layer.dW = array": partial(new_array, name="dW"),
    "network.params = array": partial(new_flat_array, name="params"),
    "network.grads = array": partial(new_flat_array, name="grads"),
    "a layer in a second network": another_network,
    "another layer in the list": another_layer,
}


@pytest.mark.parametrize("name", BREAKS)
@pytest.mark.parametrize("player", ["G", "D"])
def test_what_would_learn_nothing_is_refused_with_the_remedy(name, player, tmp_path):
    gan = a_game()
    network = getattr(gan, player)
    BREAKS[name](network, network.layers[0])
    remedy = r"is no longer a part of the network's arrays: assign its values with .*\[\.\.\.\] ="
    for use in (fit, lambda gan: gan.save(tmp_path / "gan.npz"), lambda g: nn.Adam().bind(network)):
        with pytest.raises(ValueError, match=remedy):
            use(gan)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["G", "D", "g_optimizer", "d_optimizer", "G_ema", "clock"])
def test_no_part_of_a_game_is_replaced(name):
    gan, other = a_game(), a_game()
    with pytest.raises(AttributeError, match=f"{name} cannot be replaced in a game: make a new"):
        setattr(gan, name, getattr(other, name))
    gan.G.layers[0].W[...] = 0.5  # the remedy
    fit(gan, epochs=1)


def test_adding_in_place_keeps_the_parts():
    gan = a_game()
    gan.G.layers[0].W += 1
    fit(gan, epochs=1)
    assert np.shares_memory(gan.G.layers[0].W, gan.G.params)
