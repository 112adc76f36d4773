"""What golden_f64.py computes with: files as arrays of doubles, and the functions that most models have. Nothing is shared with src/."""
import struct
import sys
import numpy as np
import ggufw as G


# ---------------------------------------------------------------- files
def number(blob):
    """the value of a key as Reader has it: a number, a string, or an array of numbers"""
    kind = struct.unpack("<I", blob[:4])[0]
    if kind == G.STR:
        return blob[12:].decode()
    if kind == G.ARR:
        item, n = struct.unpack("<IQ", blob[4:16])
        return list(struct.unpack("<%d%s" % (n, G._FMT[item]), blob[16:])) if item in G._FMT else None
    return struct.unpack("<" + G._FMT[kind], blob[4:])[0]


class Model:
    """keys without the architecture's prefix; tensors as f64, the row length last"""

    def __init__(self, path):
        r = G.Reader(path)
        self.arch = number(r.kv["general.architecture"])
        self.key = {k[len(self.arch) + 1:]: number(v) for k, v in r.kv.items() if k.startswith(self.arch + ".")}
        self.t = {}
        for name, (dims, kind, offset) in r.tensors.items():
            if kind not in (0, 1, 8, 26):
                sys.exit("%s: %s is neither f32 nor f16 nor q8_0 nor i32" % (path, name))
            r.f.seek(r.base + offset)
            n = int(np.prod(dims))
            if kind == 8:
                block = np.frombuffer(r.f.read(n // 32 * 34), [("scale", "<f2"), ("code", "i1", 32)])
                self.t[name] = (block["scale"].astype(np.float64)[:, None] * block["code"]).reshape(dims[::-1])
                continue
            self.t[name] = np.frombuffer(r.f.read((2 if kind == 1 else 4) * n), {0: "<f4", 1: "<f2", 26: "<i4"}[kind]).astype(np.float64).reshape(dims[::-1])

    def layer(self, l):
        begin = "blk.%d." % l
        return {k[len(begin):].replace(".weight", ""): v for k, v in self.t.items() if k.startswith(begin)}

    def get(self, key, absent=None):
        return self.key.get(key, absent)


def read_ref(path):
    b = open(path, "rb").read()
    n, v = struct.unpack("<II", b[8:16])
    return np.frombuffer(b, "<i4", n, 16), np.frombuffer(b, "<f4", offset=16 + 4 * n).reshape(n, v)


def write_ref(path, ids, logits):
    with open(path, "wb") as f:
        f.write(b"STKREF1\0" + struct.pack("<II", *logits.shape))
        f.write(np.asarray(ids, "<i4").tobytes() + logits.astype("<f4").tobytes())


# ---------------------------------------------------------------- functions
def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def silu(x):
    return x * sigmoid(x)


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def softplus(x):
    return np.logaddexp(0, x)


def rms(x, eps):
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + eps)


def around_mean(x, eps):
    return rms(x - x.mean(-1, keepdims=True), eps)


def turns(pos, n_rot, base):
    angle = np.asarray(pos)[:, None] * base ** (-np.arange(n_rot // 2) / (n_rot // 2))
    return np.cos(angle)[:, None, :], np.sin(angle)[:, None, :]


def rope(x, pos, n_rot, base):
    """x [..., heads, d]: pairs (i, i + n_rot / 2) of the first n_rot values"""
    half = n_rot // 2
    c, s = turns(pos, n_rot, base)
    a, b = x[..., :half], x[..., half:n_rot]
    return np.concatenate([a * c - b * s, a * s + b * c, x[..., n_rot:]], -1)


def rope_adjacent(x, pos, n_rot, base):
    """the same in pairs (2 i, 2 i + 1)"""
    c, s = turns(pos, n_rot, base)
    y = x.copy()
    a, b = x[..., 0:n_rot:2], x[..., 1:n_rot:2]
    y[..., 0:n_rot:2], y[..., 1:n_rot:2] = a * c - b * s, a * s + b * c
    return y


def causal_conv(x, taps, apart=1):
    """y[t] = sum over k of taps[:, k] x[t - (K - 1 - k) apart]"""
    n_taps = taps.shape[1]
    y = np.zeros_like(x)
    for k in range(n_taps):
        back = (n_taps - 1 - k) * apart
        if back < len(x):
            y[back:] += taps[:, k] * x[:len(x) - back]
    return y
