#!/usr/bin/env python3
"""References of layers that predict further tokens (NextN): logits in double precision.

  nextn_f64.py DIR NAME...    compares the model's own logits with DIR/NAME.ref, then writes DIR/NAME.nextn.ref and prints what its tolerance
                              and its weights tell

Written from docs/spec/drafts.md 8, by whole sequences; of glm4moe. Its layers agree with the golden that another engine made, and the layer that
predicts is one more of them. Row p of the reference is what the pair of token p and of the row behind position p - 1 predicts; row 0, which has
no pair, is zeros. Nothing is shared with src/.
"""
import os
import sys
import numpy as np
import ggufw as G
from f64 import Model, read_ref, rms, rope, write_ref
from f64_decoders import heads_of, head, second_half, softmax_of
from golden_f64 import error, perturbed


def attention(m, w, n, pos):
    q, k, v = (x + w["attn_" + c + ".bias"].reshape(x.shape[1:]) for c, x in zip("qkv", heads_of(m, w, n)))
    n_rot, base = m.get("rope.dimension_count"), m.get("rope.freq_base")
    q, k = rope(rms(q, m.eps) * w["attn_q_norm"], pos, n_rot, base), rope(rms(k, m.eps) * w["attn_k_norm"], pos, n_rot, base)
    of = np.arange(q.shape[1]) // (q.shape[1] // k.shape[1])
    p = softmax_of(np.einsum("qhd,khd->hqk", q, k[:, of]) / np.sqrt(q.shape[2]))
    return np.einsum("hqk,khd->qhd", p, v[:, of]).reshape(len(n), -1) @ w["attn_output"].T


def layer(m, l, x, pos):
    w = m.layer(l)
    x = x + attention(m, w, rms(x, m.eps) * w["attn_norm"], pos)
    return x + second_half(m, w, rms(x, m.eps) * w["post_attention_norm"], l)


def hidden(m, ids):
    """rows behind the output norm"""
    x = m.t["token_embd.weight"][ids]
    for l in range(m.get("block_count") - m.get("nextn_predict_layers")):
        x = layer(m, l, x, np.arange(len(ids)))
    return rms(x, m.eps) * m.t["output_norm.weight"]


def nextn(m, ids):
    l, h = m.get("block_count") - m.get("nextn_predict_layers"), hidden(m, ids)
    w = m.layer(l)
    token = rms(m.t["token_embd.weight"][ids[1:]], m.eps) * w["nextn.enorm"]
    before = rms(h[:-1], m.eps) * w["nextn.hnorm"]
    x = layer(m, l, np.concatenate([token, before], 1) @ w["nextn.eh_proj"].T, np.arange(len(ids) - 1))
    z = head(m, rms(x, m.eps) * w.get("nextn.shared_head_norm", m.t["output_norm.weight"]))
    return np.concatenate([np.zeros((1, z.shape[1])), z])


def rows_of(m, ids):
    return nextn(m, ids)[1:]


def noise_of(m, ids, ref):
    """the largest error of some draws in which every weight moves by one unit in the last place"""
    worst = 0.0
    for draw in range(8):
        rng = G.seed_of(draw, "noise")
        other = perturbed(m, lambda k, v: np.nextafter(v.astype(np.float32), np.where(rng.random(v.shape) < 0.5, -np.inf, np.inf).astype(
            np.float32)).astype(np.float64))
        other.eps, other.gap = m.eps, 1.0
        worst = max(worst, error(rows_of(other, ids), ref))
    return worst


def least_of(m, ids, ref):
    """the smallest error when a tensor of the layer is 1.2 times as large, or its rows are shifted by one where a factor would have no influence"""
    begin, result = "blk.%d." % (m.get("block_count") - m.get("nextn_predict_layers")), []
    for name in (k for k in m.t if k.startswith(begin)):
        shift = any(x in name for x in ("attn_q.", "attn_k.", "exp_probs_b"))
        other = perturbed(m, lambda k, v: (np.roll(v, 1, 0) if shift else 1.2 * v) if k == name else v)
        other.eps, other.gap = m.eps, 1.0
        result.append((error(rows_of(other, ids), ref), name))
    return min(result)


def main():
    folder = sys.argv[1]
    for name in sys.argv[2:]:
        ids, ref = read_ref(os.path.join(folder, name + ".ref"))
        m = Model(os.path.join(folder, name + ".gguf"))
        m.eps, m.gap = m.get("attention.layer_norm_rms_epsilon"), 1.0
        own = error(head(m, hidden(m, ids)), ref.astype(np.float64))
        m.gap = 1.0
        out = nextn(m, ids)
        gap, noise, least = m.gap, noise_of(m, ids, out[1:]), least_of(m, ids, out[1:])
        write_ref(os.path.join(folder, name + ".nextn.ref"), ids, out)
        order = np.sort(out[1:], 1)
        margin = ((order[:, -1] - order[:, -2]) / np.abs(out[1:]).max(1)).min()
        print("%s: the model's logits: error %.2g; nextn: noise %.2g, choice gap %.2g, margin %.2g, least sensitive: %.2g by %s" % (
            name, own, noise, gap, margin, *least))


if __name__ == "__main__":
    main()
