"""Games that are stepped by hand, broken and healthy, in the styles in which people write them.

Each function makes a game and returns ``step, G, D``. `BROKEN` names the finding of each broken
game. ``python tests/games_by_hand.py`` prints what the diagnosis measures in each.
"""

import numpy as np

import nngan as nn

N, LATENT, WIDTH = 16, 4, 8


def data(n=200):
    """Data with some structure: two clusters of rows, in (0, 1)."""
    rng = np.random.default_rng(0)
    centre = np.where(rng.random((n, 1)) < 0.5, 0.3, 0.7)
    return np.clip(centre + 0.1 * rng.standard_normal((n, WIDTH)), 0.01, 0.99).astype(np.float32)


X = data()


def networks(seed=1, squashed=False, dtype="float32", dropout=False, batchnorm=False):
    middle = [nn.BatchNorm(16)] if batchnorm else []
    G = nn.Sequential(
        nn.Linear(LATENT, 16), *middle, nn.LeakyReLU(0.2), nn.Linear(16, WIDTH), nn.Sigmoid(),
        seed=seed, dtype=dtype,
    )  # fmt: skip
    D = nn.Sequential(
        nn.Linear(WIDTH, 16), nn.LeakyReLU(0.2), *([nn.Dropout(0.3)] if dropout else []),
        nn.Linear(16, 1), *([nn.Sigmoid()] if squashed else []), seed=seed + 1, dtype=dtype,
    )  # fmt: skip
    return G, D


class Draw:
    """Where a step takes its minibatches from."""

    def __init__(self, dtype=np.float32, ordered=False):
        self.rng = np.random.default_rng(3)
        self.dtype = dtype
        self.rows = X[np.argsort(X.mean(axis=1))] if ordered else None

    def data(self):
        if self.rows is not None:
            self.rows = np.roll(self.rows, -N, axis=0)
            return self.rows[:N].astype(self.dtype)
        return X[self.rng.integers(len(X), size=N)].astype(self.dtype)

    def noise(self):
        return self.rng.standard_normal((N, LATENT)).astype(self.dtype)


def game(
    *, squashed=False, zero_d=True, zero_g=True, d_labels=(1.0, 0.0), g_label=1.0, g_sign=1.0,
    d_sign=1.0, loss=None, same_noise=False, same_data=False, stale=None, scale_g=1.0,
    scale_d=1.0, skip=None, extra=None, optimizer=nn.SGD, lr=0.05, d_steps=1, smooth=0.0,
    detach=True, both=False, one_pass=False, dropout=False, batchnorm=False, ordered=False,
):  # fmt: skip
    """Return the game of a tutorial, with a switch for each mistake."""
    G, D = networks(squashed=squashed, dropout=dropout, batchnorm=batchnorm)
    draw = Draw(ordered=ordered)
    d_opt = optimizer(lr).bind(G if skip == "bound" else D)
    g_opt = optimizer(lr).bind(G)
    loss = loss or (nn.bce if squashed else nn.bce_with_logits)
    fixed_z, fixed_x = draw.noise(), draw.data()

    def step():
        for _ in range(d_steps):
            x = fixed_x if same_data else draw.data()
            z = fixed_z if same_noise else draw.noise()
            fake, g_cache = G.forward(z)
            real_out, real_cache = D.forward(x)
            fake_out, fake_cache = D.forward(fake)
            d_real = d_sign * scale_d * loss(real_out, d_labels[0] - smooth)[1]
            d_fake = d_sign * scale_d * loss(fake_out, d_labels[1])[1]
            if zero_d:
                D.zero_grad()
            if skip != "data":
                D.backward(d_real, fake_cache if stale == "D" else real_cache)
            dx = D.backward(d_fake, fake_cache)
            if not detach:
                G.zero_grad()
                G.backward(dx, g_cache)
            if skip != "D":
                d_opt.step()
            if not detach:
                g_opt.step()
        z = fixed_z if same_noise else draw.noise()
        fake, g_cache = G.forward(z)
        fake_out, fake_cache = D.forward(fake)
        d_out = g_sign * scale_g * loss(fake_out, g_label)[1]
        if both:
            D.zero_grad()
        dx = D.backward(d_out, real_cache if stale == "G" else fake_cache)
        if zero_g:
            G.zero_grad()
        G.backward(dx, g_cache)
        if skip != "G":
            g_opt.step()
        if both:
            d_opt.step()

    return step, G, D


def trained(made, steps):
    """Return a game after some calls of its step."""
    for _ in range(steps):
        made[0]()
    return made


def squares(logits, target):
    """Least squares of D's output itself."""
    return 0.5 * np.mean((logits - target) ** 2), (logits - np.float32(target)) / len(logits)


def sum_loss(logits, target):
    """A loss whose gradient is a sum over the minibatch."""
    loss, d = nn.bce_with_logits(logits, target)
    return loss, d * len(logits)


# -- broken games in other styles -----------------------------------------------------------------


class Dense:
    """A layer as many write it: its one cache is overwritten by the next forward pass."""

    def __init__(self, n_in, n_out, rng, squash=None):
        self.W = rng.standard_normal((n_in, n_out)) * np.sqrt(2 / (n_in + n_out))
        self.b = np.zeros(n_out)
        self.squash = squash

    def forward(self, x):
        self.x = x
        self.a = x @ self.W + self.b
        if self.squash == "relu":
            return np.maximum(self.a, 0.1 * self.a)
        if self.squash == "sigmoid":
            self.y = 1 / (1 + np.exp(-self.a))
            return self.y
        return self.a

    def backward(self, dy):
        if self.squash == "relu":
            dy = dy * np.where(self.a > 0, 1, 0.1)
        if self.squash == "sigmoid":
            dy = dy * self.y * (1 - self.y)
        self.dW, self.db = self.x.T @ dy, dy.sum(axis=0)
        return dy @ self.W.T


class Net:
    """A network of such layers."""

    def __init__(self, *layers):
        self.layers = layers

    def forward(self, x):
        for layer in self.layers:
            x = layer.forward(x)
        return x

    def backward(self, dy):
        for layer in reversed(self.layers):
            dy = layer.backward(dy)
        return dy

    def update(self, lr):
        for layer in self.layers:
            layer.W -= lr * layer.dW
            layer.b = layer.b - lr * layer.db


def own_networks():
    rng = np.random.default_rng(0)
    G = Net(Dense(LATENT, 16, rng, "relu"), Dense(16, WIDTH, rng, "sigmoid"))
    D = Net(Dense(WIDTH, 16, rng, "relu"), Dense(16, 1, rng, "sigmoid"))
    return G, D


class OwnGAN:
    """A game in a class, with probabilities and the gradient of the textbook."""

    def __init__(self, one_slot=False, sign=1.0, swapped=False, always_update=False):
        self.G, self.D = own_networks()
        self.one_slot, self.sign, self.swapped = one_slot, sign, swapped
        self.always_update = always_update
        np.random.seed(5)  # noqa: NPY002

    def slope(self, p, target):
        return (-(target / p) + (1 - target) / (1 - p)) / len(p)

    def train_step(self, batch):
        z = np.random.randn(len(batch), LATENT)  # noqa: NPY002
        fake = self.G.forward(z)
        one, zero = (0, 1) if self.swapped else (1, 0)
        if self.one_slot:
            p_real = self.D.forward(batch)
            p_fake = self.D.forward(fake)
            self.D.backward(self.slope(p_real, one))
            first = [(d.dW, d.db) for d in self.D.layers]
            self.D.backward(self.slope(p_fake, zero))
        else:
            self.D.backward(self.slope(self.D.forward(batch), one))
            first = [(d.dW, d.db) for d in self.D.layers]
            self.D.backward(self.slope(self.D.forward(fake), zero))
        for layer, (dW, db) in zip(self.D.layers, first, strict=True):
            layer.dW += dW
            layer.db += db
        self.D.update(0.1)
        z = np.random.randn(len(batch), LATENT)  # noqa: NPY002
        p = self.D.forward(self.G.forward(z))
        self.G.backward(self.sign * self.D.backward(self.slope(p, 1)))
        self.G.update(0.1)
        if self.always_update:
            self.D.update(0.1)


def own(**options):
    gan = OwnGAN(**options)
    return gan.train_step, gan.G, gan.D


def layer_by_layer(squash_twice=False, same_seed=False):
    """The style of examples/minimal_gan.py: only layers, the game's optimizers beside them."""
    G, D = networks(squashed=True)
    g1, leaky_g, g2, sig = G.layers
    d1, leaky, d2, sigmoid = D.layers
    g_adam, d_adam = nn.Adam(1e-3).bind(G), nn.Adam(1e-3).bind(D)
    rng = np.random.default_rng(0)
    loss = nn.bce_with_logits if squash_twice else nn.bce

    def through(layers, x):
        caches = []
        for layer in layers:
            x, cache = layer.forward(x)
            caches.append(cache)
        return x, caches

    def back(layers, dy, caches):
        for layer, cache in zip(layers[::-1], caches[::-1], strict=True):
            dy = layer.backward(dy, cache)
        return dy

    generator, judge = (g1, leaky_g, g2, sig), (d1, leaky, d2, sigmoid)

    def step():
        nonlocal rng
        if same_seed:
            rng = np.random.default_rng(7)
        real = X[np.random.randint(len(X), size=N)]  # noqa: NPY002
        fake, _ = through(generator, rng.standard_normal((N, LATENT), dtype=np.float32))
        p_real, c_real = through(judge, real)
        p_fake, c_fake = through(judge, fake)
        D.zero_grad()
        back(judge, loss(p_real, 1.0)[1], c_real)
        back(judge, loss(p_fake, 0.0)[1], c_fake)
        d_adam.step()
        fake, g_caches = through(generator, rng.standard_normal((N, LATENT), dtype=np.float32))
        p_fake, c_fake = through(judge, fake)
        G.zero_grad()
        back(generator, back(judge, loss(p_fake, 1.0)[1], c_fake), g_caches)
        g_adam.step()

    return step, G, D


def arguments(sign=1.0):
    """A step that takes everything as arguments and moves weights by a rule of its own."""
    G, D = networks()

    def play(G, D, x_batch, z):
        fake, g_cache = G.forward(z)
        real_out, real_cache = D.forward(x_batch)
        fake_out, fake_cache = D.forward(fake)
        D.grads[:] = 0
        D.backward(nn.bce_with_logits(real_out, 1.0)[1], real_cache)
        D.backward(nn.bce_with_logits(fake_out, 0.0)[1], fake_cache)
        for layer in (D.layers[0], D.layers[2]):
            layer.W -= 0.1 * layer.dW
            layer.b -= 0.1 * layer.db
        fake_out, fake_cache = D.forward(fake)
        dx = D.backward(nn.bce_with_logits(fake_out, 1.0)[1], fake_cache, param_grads=False)
        G.grads[:] = 0
        G.backward(dx, g_cache)
        G.params -= sign * 0.1 * G.grads

    return play, G, D


def vanished():
    """Probabilities that are clipped too far: the gradient of G is zero from the start."""
    G, D = networks(squashed=True)
    D.layers[2].b -= 12  # D is sure of everything
    draw, g_opt, d_opt = Draw(), nn.SGD(0.1).bind(G), nn.SGD(1e-4).bind(D)

    def slope(p, target):
        inside = (p > 0.001) & (p < 0.999)
        p = np.clip(p, 0.001, 0.999)
        return inside * (p - target) / (p * (1 - p)) / len(p)

    def step():
        p, cache = D.forward(draw.data())
        D.zero_grad()
        D.backward((p - 1) / (p * (1 - p) + np.float32(1e-7)) / len(p), cache)
        d_opt.step()
        fake, g_cache = G.forward(draw.noise())
        p, cache = D.forward(fake)
        G.zero_grad()
        G.backward(D.backward(slope(p, 1.0), cache), g_cache)
        g_opt.step()

    return step, G, D


def one_optimizer_for_both():
    """Both losses are added, and one optimizer moves everything down the sum."""
    G, D = networks()
    draw, opts = Draw(), [nn.SGD(0.05).bind(G), nn.SGD(0.05).bind(D)]

    def step():
        G.zero_grad()
        D.zero_grad()
        out, cache = D.forward(draw.data())
        D.backward(nn.bce_with_logits(out, 1.0)[1], cache)
        fake, g_cache = G.forward(draw.noise())
        out, cache = D.forward(fake)
        both = nn.bce_with_logits(out, 0.0)[1] + 0.5 * nn.bce_with_logits(out, 1.0)[1]
        G.backward(D.backward(both, cache), g_cache)
        for opt in opts:
            opt.step()

    return step, G, D


class Trainer:
    """A game in a class whose two steps are methods, and whose step prints the losses."""

    def __init__(self, sign=1.0):
        self.G, self.D = networks()
        self.g_opt, self.d_opt = nn.Adam(1e-3).bind(self.G), nn.Adam(1e-3).bind(self.D)
        self.rng, self.sign, self.log = np.random.default_rng(0), sign, []

    def noise(self):
        return self.rng.standard_normal((N, LATENT)).astype(np.float32)

    def train_d(self, real):
        self.D.zero_grad()
        loss = 0.0
        for x, label in ((real, 1.0), (self.G(self.noise()), 0.0)):
            out, cache = self.D.forward(x)
            part, d = nn.bce_with_logits(out, label)
            self.D.backward(d, cache)
            loss += float(part)
        self.d_opt.step()
        return loss

    def train_g(self):
        fake, g_cache = self.G.forward(self.noise())
        out, cache = self.D.forward(fake)
        loss, d = nn.bce_with_logits(out, 1.0)
        self.G.zero_grad()
        self.G.backward(self.sign * self.D.backward(d, cache), g_cache)
        self.g_opt.step()
        return float(loss)

    def train_on_batch(self, images):
        self.log.append((self.train_d(images), self.train_g()))
        print(self.log[-1])


def trainer(sign=1.0):
    game = Trainer(sign)
    return game.train_on_batch, game.G, game.D


class Fused(Dense):
    """A layer that moves its weights in its backward pass."""

    def backward(self, dy, lr=0.1):
        dx = super().backward(dy)
        self.W -= lr * self.dW
        self.b -= lr * self.db
        return dx


class FusedNet(Net):
    def backward(self, dy, lr=0.1):
        for layer in reversed(self.layers):
            dy = layer.backward(dy, lr)
        return dy


def fused(frozen):
    """Layers that learn while they go backward; only a learning rate of 0 keeps D as it is."""
    rng = np.random.default_rng(0)
    G = FusedNet(Fused(LATENT, 16, rng, "relu"), Fused(16, WIDTH, rng, "sigmoid"))
    D = FusedNet(Fused(WIDTH, 16, rng, "relu"), Fused(16, 1, rng, "sigmoid"))

    def slope(p, target):
        return (p - target) / (p * (1 - p)) / len(p)

    def step(x):
        D.backward(slope(D.forward(x), 1))
        D.backward(slope(D.forward(G.forward(rng.normal(size=(len(x), LATENT)))), 0))
        p = D.forward(G.forward(rng.normal(size=(len(x), LATENT))))
        G.backward(D.backward(slope(p, 1), 0.0 if frozen else 0.1))

    return step, G, D


class OwnAdam:
    """Adam as many write it, with the learning rate as an argument of its step."""

    def __init__(self, net):
        self.net, self.t = net, 0
        self.m, self.v = np.zeros_like(net.params), np.zeros_like(net.params)

    def step(self, lr):
        g, self.t = self.net.grads, self.t + 1
        self.m = 0.9 * self.m + 0.1 * g
        self.v = 0.999 * self.v + 0.001 * g * g
        size = np.sqrt(self.v / (1 - 0.999**self.t)) + 1e-8
        self.net.params -= np.float32(lr / (1 - 0.9**self.t)) * self.m / size


def by_hand(
    *, real=None, fakes=None, labels=None, rates=(1e-3, 1e-3), trained=50, inline=False, n=32,
    g_end=True,
):  # fmt: skip
    """Return a game with switches for what D is fed and told, and how both move."""
    G, D = networks()
    if not g_end:
        G = nn.Sequential(*G.layers[:-1], seed=1)
    rng = np.random.default_rng(3)
    d_adam, g_adam = OwnAdam(D), OwnAdam(G)
    momentum = {"D": np.zeros_like(D.params), "G": np.zeros_like(G.params)}
    rate = {"now": (1e-3, 1e-3)}

    def move(name, adam, lr):
        if inline:
            momentum[name] = 0.9 * momentum[name] + adam.net.grads
            adam.net.params -= np.float32(20 * lr) * momentum[name]
        else:
            adam.step(lr)

    def step():
        x = X[rng.integers(len(X), size=n)]
        fake, g_cache = G.forward(rng.standard_normal((n, LATENT), dtype=np.float32))
        D.zero_grad()
        for a, change, of in ((x, real, 1.0), (fake, fakes, 0.0)):
            a = change(a, rng) if change else a
            out, cache = D.forward(a.astype(np.float32))
            target = np.full((n, 1), of, np.float32)
            target = labels(target, rng) if labels else target
            D.backward(nn.bce_with_logits(out, target)[1], cache)
        move("D", d_adam, rate["now"][0])
        out, cache = D.forward(fake)
        dx = D.backward(nn.bce_with_logits(out, 1.0)[1], cache)
        G.zero_grad()
        G.backward(dx, g_cache)
        move("G", g_adam, rate["now"][1])

    for _ in range(trained):
        step()
    rate["now"] = rates
    return step, G, D


def grain(size):
    return lambda a, rng: a + np.float32(size) * rng.standard_normal(a.shape, np.float32)


def mirrored(a, rng):
    return np.where(rng.random((len(a), 1)) < 0.5, a, a[:, ::-1])


ORDER = [1, 0, 3, 2, 5, 4, 7, 6]  # of features


def flip(share, of=None):
    """Labels that are wrong for a share of the rows."""

    def labels(target, rng):
        wrong = rng.random(target.shape) < share
        return np.where(wrong & (of is None or target == of), 1 - target, target)

    return labels


CLASSES = 3  # of the games that `conditional` makes
Y = np.random.default_rng(4).integers(CLASSES, size=len(X))


def conditional(asked=None, of_data=None, of_fakes=None):
    """A game with classes; what G is asked for, and what D is shown with data and with fakes."""
    G = nn.Sequential(nn.Linear(LATENT + CLASSES, 16), nn.ReLU(), nn.Linear(16, WIDTH), seed=1)
    D = nn.Sequential(nn.Linear(WIDTH + CLASSES, 16), nn.LeakyReLU(0.2), nn.Linear(16, 1), seed=2)
    rng, g_opt, d_opt = np.random.default_rng(0), nn.Adam(1e-3).bind(G), nn.Adam(1e-3).bind(D)

    def changed(y, change):
        return np.eye(CLASSES, dtype=np.float32)[change(y, rng) if change else y]

    def step():
        at = rng.integers(len(X), size=32)
        wanted = changed(Y[rng.integers(len(X), size=32)], asked)
        z = rng.standard_normal((32, LATENT), dtype=np.float32)
        fake, g_cache = G.forward(np.hstack([z, wanted]))
        shown = changed(wanted.argmax(axis=1), of_fakes)
        D.zero_grad()
        for a, y, of in ((X[at], changed(Y[at], of_data), 1.0), (fake, shown, 0.0)):
            out, cache = D.forward(np.hstack([a, y]))
            D.backward(nn.bce_with_logits(out, of)[1], cache)
        d_opt.step()
        out, cache = D.forward(np.hstack([fake, shown]))
        dx = D.backward(nn.bce_with_logits(out, 1.0)[1], cache)
        G.zero_grad()
        G.backward(np.ascontiguousarray(dx[:, :WIDTH]), g_cache)
        g_opt.step()

    return step, G, D


def critic(penalty=None, trained=60, rate=5e-3):
    """A Wasserstein game; ``penalty(D, between)`` adds to D's gradients."""
    G, D = networks()
    draw, g_opt, d_opt = Draw(), nn.Adam(1e-3).bind(G), nn.Adam(rate).bind(D)

    def step():
        x, fake = draw.data(), G(draw.noise())
        D.zero_grad()
        for a, sign in ((x, -1), (fake, 1)):
            out, cache = D.forward(a)
            D.backward(np.full_like(out, sign / len(out)), cache)
        if penalty:
            e = draw.rng.random((N, 1), np.float32)
            penalty(D, e * x + (1 - e) * fake)
        d_opt.step()
        fake, g_cache = G.forward(draw.noise())
        out, cache = D.forward(fake)
        G.zero_grad()
        G.backward(D.backward(np.full_like(out, -1 / len(out)), cache), g_cache)
        g_opt.step()

    for _ in range(trained):
        step()
    return step, G, D


def by_pixel(D, between):
    """A gradient penalty whose norm is taken for each pixel, not for each sample."""
    out, cache = D.forward(between)
    slopes = D.output_gradients(one := np.ones_like(out), cache)
    g = slopes[0]
    v = 20 / g.size * (np.abs(g) - 2) * np.sign(g)
    D.backward_tangent(
        one, v.astype(np.float32), cache, output_gradients=slopes, input_grad=False,
        sample_weight=None, accumulate=True,
    )  # fmt: skip


def flat(g=False, d=False):
    """The tutorial's game with networks that have no activation between their layers."""
    step, G, D = by_hand(trained=0)
    for network, is_flat in ((G, g), (D, d)):
        if is_flat:
            network.layers[1].slope = 1.0
    return step, G, D


BROKEN = {
    "G is asked for one class": (
        lambda: conditional(asked=lambda y, _: np.full_like(y, 1)), "labels-apart"),
    "G is never asked for a class": (
        lambda: conditional(asked=lambda y, _: np.maximum(y, 1)), "labels-apart"),
    "labels of the data are shuffled": (
        lambda: conditional(of_data=lambda y, rng: rng.permutation(y)), "labels-mixed"),
    "D sees fakes with other labels": (
        lambda: conditional(of_fakes=lambda y, rng: rng.permutation(y)), "labels-mixed"),
    "nothing holds the critic": (lambda: critic(), "unbounded-critic"),
    "a penalty for each pixel": (
        lambda: critic(by_pixel, trained=400), "penalty-wrong"),
    "G has no activation": (lambda: flat(g=True), "linear"),
    "D has no activation": (lambda: flat(d=True), "linear"),
    "both learning rates are negative": (lambda: by_hand(rates=(-1e-3, -1e-3)), "wrong-sign"),
    "both negative, momentum in the loop": (
        lambda: by_hand(rates=(-1e-3, -1e-3), inline=True), "wrong-sign"),
    "D's learning rate is negative": (lambda: by_hand(rates=(-1e-3, 1e-3)), "wrong-sign"),
    "G's learning rate is negative": (lambda: by_hand(rates=(1e-3, -1e-3)), "wrong-sign"),
    "D's learning rate is 1": (lambda: by_hand(rates=(1.0, 1e-3)), "learning-rate"),
    "G's learning rate is 1": (lambda: by_hand(rates=(1e-3, 1.0)), "learning-rate"),
    "G's learning rate is tiny": (lambda: by_hand(rates=(1e-3, 1e-7)), "learning-rate"),
    "D's labels are drawn for each row": (lambda: by_hand(labels=flip(0.5)), "labels-random"),
    "60 % of the data are called fake": (
        lambda: by_hand(labels=flip(0.6, of=1.0)), "labels-random"),
    "data in the order of their classes": (lambda: game(ordered=True), "minibatch-biased"),
    "noise on the data alone": (lambda: by_hand(real=grain(0.2)), "data-changed"),
    "data divided by 255 twice": (lambda: by_hand(real=lambda a, _: a / 255), "range"),
    "data divided by 255 twice, G without bounds": (
        lambda: by_hand(real=lambda a, _: a / 255, g_end=False), "range"),
    "noise on the fakes alone": (lambda: by_hand(fakes=grain(0.2)), "fakes-changed"),
    "fakes that G did not make": (
        lambda: by_hand(fakes=lambda a, rng: rng.random(a.shape) ** 4), "fakes-changed"),
    "all is called data": (lambda: by_hand(labels=lambda t, _: np.ones_like(t)), "labels-swapped"),
    "D's gradients are never zeroed": (lambda: game(zero_d=False), "not-zeroed"),
    "G's gradients are never zeroed": (lambda: game(zero_g=False), "not-zeroed"),
    "Adam, D's gradients never zeroed": (
        lambda: game(zero_d=False, optimizer=nn.Adam, lr=1e-3), "not-zeroed"),
    "Adam, G's gradients not zeroed in 1,500 steps": (
        lambda: trained(game(zero_g=False, optimizer=nn.Adam, lr=1e-3), 1_500), "not-zeroed"),
    "D's real gradient with the fakes' cache": (lambda: game(stale="D"), "stale-cache"),
    "G's gradient through D's cache of data": (lambda: game(stale="G"), "stale-cache"),
    "layers with one slot for the cache": (lambda: own(one_slot=True), "stale-cache"),
    "G's label is that of fakes": (lambda: game(g_label=0.0), "wrong-sign"),
    "G climbs its loss": (lambda: game(g_sign=-1.0), "wrong-sign"),
    "G climbs its loss, own rule": (lambda: arguments(sign=-1.0), "wrong-sign"),
    "G climbs its loss, own layers": (lambda: own(sign=-1.0), "wrong-sign"),
    "D climbs its loss": (lambda: game(d_sign=-1.0), "wrong-sign"),
    "D's labels are swapped": (lambda: game(d_labels=(0.0, 1.0)), "labels-swapped"),
    "D's labels are swapped, own layers": (lambda: own(swapped=True), "labels-swapped"),
    "both get the label 1": (lambda: game(d_labels=(1.0, 1.0)), "labels-swapped"),
    "D has no step": (lambda: game(skip="D"), "d-not-trained"),
    "D never learns from data": (lambda: game(skip="data"), "d-not-trained"),
    "G has no step": (lambda: game(skip="G"), "g-not-trained"),
    "D's optimizer holds G": (lambda: game(skip="bound"), "d-not-trained"),
    "G's gradient vanishes": (vanished, "g-not-trained"),
    "fakes are not detached": (lambda: game(detach=False), "g-moved-by-d-step"),
    "G's step moves D": (lambda: game(both=True), "d-moved-by-g-step"),
    "G's step moves D, own layers": (lambda: own(always_update=True), "d-moved-by-g-step"),
    "one optimizer for both losses": (
        one_optimizer_for_both, "d-moved-by-g-step g-moved-by-d-step"),
    "backward passes that learn": (lambda: fused(frozen=False), "d-moved-by-g-step"),
    "a trainer, G climbs its loss": (lambda: trainer(sign=-1.0), "wrong-sign"),
    "a sigmoid in D and logits in the loss": (
        lambda: game(squashed=True, loss=nn.bce_with_logits), "double-sigmoid"),
    "the same, layer by layer": (lambda: layer_by_layer(squash_twice=True), "double-sigmoid"),
    "one noise for ever": (lambda: game(same_noise=True), "same-noise"),
    "the generator is seeded in the step": (lambda: layer_by_layer(same_seed=True), "same-noise"),
    "one minibatch for ever": (lambda: game(same_data=True), "same-data"),
    "G's gradient is a sum": (lambda: game(scale_g=N), "scale"),
}  # fmt: skip


# -- healthy games --------------------------------------------------------------------------------


def wasserstein(flipped=False, clip=0.1):
    G, D = networks()
    draw, sign = Draw(), -1.0 if flipped else 1.0
    g_opt, d_opt = nn.SGD(0.05).bind(G), nn.SGD(0.05).bind(D)

    def step():
        for _ in range(3):
            D.zero_grad()
            real, cache = D.forward(draw.data())
            D.backward(np.full_like(real, -sign / len(real)), cache)
            fake, cache = D.forward(G(draw.noise()))
            D.backward(np.full_like(fake, sign / len(fake)), cache)
            d_opt.step()
            np.clip(D.params, -clip, clip, out=D.params)
        fake, g_cache = G.forward(draw.noise())
        out, cache = D.forward(fake)
        G.zero_grad()
        G.backward(D.backward(np.full_like(out, -sign / len(out)), cache), g_cache)
        g_opt.step()

    return step, G, D


def accumulated(across=False):
    """Gradients of several minibatches on purpose, in one step or across calls of it."""
    G, D = networks()
    draw = Draw()
    g_opt, d_opt = nn.Adam(1e-3).bind(G), nn.Adam(1e-3).bind(D)
    state = {"i": 0}

    def add():
        fake, g_cache = G.forward(draw.noise())
        for out, target in ((draw.data(), 1.0), (fake, 0.0)):
            logits, cache = D.forward(out)
            D.backward(nn.bce_with_logits(logits, target)[1] / 4, cache)
        logits, cache = D.forward(fake)
        dx = D.backward(nn.bce_with_logits(logits, 1.0)[1] / 4, cache, param_grads=False)
        G.backward(dx, g_cache)

    def step():
        for _ in range(1 if across else 4):
            add()
        state["i"] += 1
        if not across or state["i"] % 4 == 0:
            for opt, net in ((d_opt, D), (g_opt, G)):
                opt.step()
                net.zero_grad()

    return step, G, D


def simultaneous():
    G, D = networks(batchnorm=True)
    draw = Draw()
    g_opt, d_opt = nn.SGD(0.05, momentum=0.5).bind(G), nn.SGD(0.05, momentum=0.5).bind(D)

    def step():
        fake, g_cache = G.forward(draw.noise())
        x = draw.data()
        logits, cache = D.forward(np.concatenate([x, fake]))
        real, made = logits[:N], logits[N:]
        d = [nn.bce_with_logits(real, 1.0)[1], nn.bce_with_logits(made, 0.0)[1]]
        d_g = [np.zeros_like(real), -nn.bce_with_logits(made, 0.0)[1]]  # minimax
        dx = D.backward(np.concatenate(d_g), cache, param_grads=False)[N:]
        D.zero_grad()
        D.backward(np.concatenate(d), cache, input_grad=False)
        G.zero_grad()
        G.backward(dx, g_cache)
        d_opt.step()
        g_opt.step()

    return step, G, D


def penalised():
    """R1 on the data, and weight decay."""
    G, D = networks()
    draw, g_opt, d_opt = Draw(), nn.Adam(1e-3).bind(G), nn.Adam(1e-3).bind(D)

    def step():
        x = draw.data()
        D.zero_grad()
        nn.penalties.r1(D, x, gamma=0.5)
        logits, cache = D.forward(x)
        D.backward(nn.bce_with_logits(logits, 1.0)[1], cache)
        logits, cache = D.forward(G(draw.noise()))
        D.backward(nn.bce_with_logits(logits, 0.0)[1], cache)
        D.grads += 1e-2 * D.params
        d_opt.step()
        fake, g_cache = G.forward(draw.noise())
        logits, cache = D.forward(fake)
        G.zero_grad()
        G.backward(D.input_gradient(nn.bce_with_logits(logits, 1.0)[1], cache), g_cache)
        g_opt.step()

    return step, G, D


def library(**options):
    """The library's own steps, called by hand."""
    G, D = networks()
    gan = nn.GAN(G, D, seed=0, **options)
    draw = Draw()

    def step():
        x = draw.data()
        gan.discriminator_step(x, draw.noise())
        gan.generator_step(draw.noise(), x)

    return step, gan.G, gan.D


def two_updates():
    """D learns of data and of fakes in an update each, as with train_on_batch."""
    G, D = networks()
    draw, g_opt, d_opt = Draw(), nn.Adam(1e-3).bind(G), nn.Adam(1e-3).bind(D)

    def train_on_batch(x, label):
        logits, cache = D.forward(x)
        D.zero_grad()
        D.backward(nn.bce_with_logits(logits, label)[1], cache)
        d_opt.step()

    def step():
        train_on_batch(draw.data(), 1.0)
        train_on_batch(G(draw.noise()), 0.0)
        fake, g_cache = G.forward(draw.noise())
        logits, cache = D.forward(fake)
        G.zero_grad()
        G.backward(D.backward(nn.bce_with_logits(logits, 1.0)[1], cache), g_cache)
        g_opt.step()

    return step, G, D


def noisy(penalty=0.0, noise=0.0, soft=False, old=False):
    """Minibatches and labels with noise, fakes of earlier steps, a gradient penalty."""
    G, D = networks()
    draw, g_opt, d_opt = Draw(), nn.Adam(1e-3).bind(G), nn.Adam(1e-3).bind(D)
    made = []

    def label(of, n):
        change = draw.rng.uniform(0, 0.3, (n, 1)) if soft else np.zeros((n, 1))
        return np.abs(of - change).astype(np.float32)

    def step():
        x, fake = draw.data(), G(draw.noise())
        made.append(fake)
        if old:
            fake = np.concatenate([fake[: N // 2], made[draw.rng.integers(len(made))][N // 2 :]])
        x, fake = (a + np.float32(noise) * draw.rng.standard_normal(a.shape, np.float32)
                   for a in (x, fake))  # fmt: skip
        D.zero_grad()
        for a, of in ((x, 1.0), (fake, 0.0)):
            out, cache = D.forward(a)
            D.backward(nn.bce_with_logits(out, label(of, N))[1], cache)
        if penalty:
            e = draw.rng.random((N, 1), np.float32)
            nn.penalties.gradient_penalty(D, e * x + (1 - e) * fake, penalty)
        d_opt.step()
        fake, g_cache = G.forward(draw.noise())
        out, cache = D.forward(fake)
        G.zero_grad()
        G.backward(D.backward(nn.bce_with_logits(out, 1.0)[1], cache), g_cache)
        g_opt.step()

    return step, G, D


def with_classes():
    """G and D get the class beside the noise and beside the image."""
    G = nn.Sequential(nn.Linear(LATENT + 2, 16), nn.ReLU(), nn.Linear(16, WIDTH), seed=1)
    D = nn.Sequential(nn.Linear(WIDTH + 2, 16), nn.LeakyReLU(0.2), nn.Linear(16, 1), seed=2)
    draw, g_opt, d_opt = Draw(), nn.Adam(1e-3).bind(G), nn.Adam(1e-3).bind(D)

    def step():
        y = np.eye(2, dtype=np.float32)[draw.rng.integers(2, size=N)]
        fake, g_cache = G.forward(np.hstack([draw.noise(), y]))
        D.zero_grad()
        for x, target in ((draw.data(), 1.0), (fake, 0.0)):
            out, cache = D.forward(np.hstack([x, y]))
            D.backward(nn.bce_with_logits(out, target)[1], cache)
        d_opt.step()
        out, cache = D.forward(np.hstack([fake, y]))
        dx = D.backward(nn.bce_with_logits(out, 1.0)[1], cache)
        G.zero_grad()
        G.backward(np.ascontiguousarray(dx[:, :WIDTH]), g_cache)
        g_opt.step()

    return step, G, D


HEALTHY = {
    "each feature standardised in the step": lambda: by_hand(
        real=lambda a, _: (a - X.mean(axis=0)) / X.std(axis=0), g_end=False
    ),
    "a label beside each sample": conditional,
    "a critic with a penalty": lambda: critic(
        lambda D, between: nn.penalties.gradient_penalty(D, between, 10.0), trained=200
    ),
    "an own Adam": by_hand,
    "features of the data in another order": lambda: by_hand(real=lambda a, _: a[:, ORDER]),
    "half of the data mirrored": lambda: by_hand(real=mirrored),
    "a little noise on the data": lambda: by_hand(real=grain(0.002)),
    "the same noise on both": lambda: by_hand(real=grain(0.1), fakes=grain(0.1)),
    "data in another unit for G without bounds": lambda: by_hand(
        real=lambda a, _: 4 * a - 2, g_end=False
    ),
    "momentum in the loop": lambda: by_hand(inline=True),
    "5 % of the labels flipped": lambda: by_hand(labels=flip(0.05)),
    "soft labels for each row": lambda: by_hand(
        labels=lambda t, rng: np.clip(t, 0, 1) * 0.7 + 0.3 * rng.random(t.shape) * t + 0.1
    ),
    "the tutorial's game": game,
    "with Adam": lambda: game(optimizer=nn.Adam, lr=1e-3),
    "three steps of D": lambda: game(d_steps=3),
    "labels flipped throughout": lambda: game(d_labels=(0.0, 1.0), g_label=0.0),
    "probabilities with bce": lambda: game(squashed=True),
    "label smoothing": lambda: game(smooth=0.1),
    "dropout in D, BatchNorm in G": lambda: game(dropout=True, batchnorm=True),
    "Wasserstein with clipping": wasserstein,
    "Wasserstein, the other sign": lambda: wasserstein(flipped=True),
    "gradients accumulated": accumulated,
    "gradients accumulated across calls": lambda: accumulated(across=True),
    "simultaneous updates, minimax": simultaneous,
    "R1 and weight decay": penalised,
    "own layers": own,
    "everything as arguments": arguments,
    "layer by layer": layer_by_layer,
    "sums for both": lambda: game(loss=sum_loss),
    "the library's steps": library,
    "hinge": lambda: library(loss="hinge"),
    "least squares": lambda: library(loss="least_squares"),
    "least squares with 1, -1 and 0": lambda: game(loss=squares, d_labels=(1.0, -1.0), g_label=0.0),
    "relativistic with R1": lambda: library(loss="relativistic", r1=0.1),
    "two updates of D": two_updates,
    "a trainer": trainer,
    "backward passes that learn, D frozen": lambda: fused(frozen=True),
    "soft labels": lambda: noisy(soft=True),
    "noise on D's inputs": lambda: noisy(noise=0.1),
    "fakes of earlier steps": lambda: noisy(old=True),
    "a gradient penalty": lambda: noisy(penalty=10.0),
    "classes": with_classes,
}

LABELLED = (  # games that `conditional` makes: their labels are `Y`
    "G is asked for one class", "G is never asked for a class", "labels of the data are shuffled",
    "D sees fakes with other labels", "a label beside each sample",
)  # fmt: skip


def main():
    """Print what the diagnosis measures in each game."""
    games = {name: (make, "none") for name, make in HEALTHY.items()} | BROKEN
    for name, (make, kind) in games.items():
        report = nn.diagnosis.diagnose_step(*make(), X, Y if name in LABELLED else None)
        for row in report.looked_at:
            print(kind, name, row.name, row.value, row.against, sep=" | ")


if __name__ == "__main__":
    main()
