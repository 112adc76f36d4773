#!/usr/bin/env python3
"""References of layers that predict further tokens (NextN): logits in double precision.

  nextn_f64.py DIR NAME...    compares the model's own logits with DIR/NAME.ref, then writes DIR/NAME.nextn.ref and prints what its tolerance
                              and its weights tell

Written from docs/spec/drafts.md 8, by whole sequences; of glm4moe, deepseek2, glm-dsa, qwen3next, qwen35, qwen35moe, cohere2moe, step35, mimo2,
deepseek4, deepseek41, glm5next and qwen4exp. Their layers agree with the goldens that another engine made, or with what such layers have in common, and the layer that predicts is one more of them. Row p of the reference is what the pair of token p and of the row
behind position p - 1 predicts; row 0, which has no pair, is zeros. Nothing is shared with src/.
"""
import os
import sys
import numpy as np
import ggufw as G
import golden_f64
from f64 import Model, read_ref, rms, rope, rope_adjacent, write_ref
from f64_decoders import cohere2_layer, cohere2_rows, heads_of, head, latent_attention, norm_of, second_half, softmax_of
from f64_deepseek41 import deepseek41_predicted, deepseek41_rows
from f64_families import decoder_layer, mixer_by_pattern
from f64_streams import deepseek4_predicted, deepseek4_rows, glm5next_predicting, glm5next_rows
from golden_f64 import error, perturbed


def trunk(m):
    """layers before the one that predicts"""
    return m.get("block_count") - m.get("nextn_predict_layers")


# ---------------------------------------------------------------- layers; x [tokens][d]
def attention(m, w, n, pos):
    q, k, v = (x + w["attn_" + c + ".bias"].reshape(x.shape[1:]) for c, x in zip("qkv", heads_of(m, w, n)))
    n_rot, base = m.get("rope.dimension_count"), m.get("rope.freq_base")
    q, k = rope(rms(q, m.eps) * w["attn_q_norm"], pos, n_rot, base), rope(rms(k, m.eps) * w["attn_k_norm"], pos, n_rot, base)
    of = np.arange(q.shape[1]) // (q.shape[1] // k.shape[1])
    p = softmax_of(np.einsum("qhd,khd->hqk", q, k[:, of]) / np.sqrt(q.shape[2]))
    return np.einsum("hqk,khd->qhd", p, v[:, of]).reshape(len(n), -1) @ w["attn_output"].T


def glm4moe(m, l, x):
    w = m.layer(l)
    x = x + attention(m, w, rms(x, m.eps) * w["attn_norm"], np.arange(len(x)))
    return x + second_half(m, w, rms(x, m.eps) * w["post_attention_norm"], l)


def yarn(m):
    """a rotation by YaRN (arXiv 2309.00071), in adjacent pairs, and what the scores are multiplied with"""
    n_rot, base, factor = m.get("rope.dimension_count"), m.get("rope.freq_base"), m.get("rope.scaling.factor")
    by_log, n_orig = m.get("rope.scaling.yarn_log_multiplier"), m.get("rope.scaling.original_context_length")
    pair = np.arange(n_rot // 2)
    freq = base ** (-pair / (n_rot // 2))
    first, last = (n_rot * np.log(n_orig / (turns * 2 * np.pi)) / (2 * np.log(base)) for turns in (32, 1))
    first, last = max(0, np.floor(first)), min(n_rot - 1, np.ceil(last))
    kept = 1 - np.clip((pair - first) / max(0.001, last - first), 0, 1)
    freq = freq / factor * (1 - kept) + freq * kept

    def turn(x, pos, n_rot, base):
        c, s = (f(pos[:, None] * freq)[:, None, :] for f in (np.cos, np.sin))
        y = x.copy()
        a, b = x[..., 0:n_rot:2], x[..., 1:n_rot:2]
        y[..., 0:n_rot:2], y[..., 1:n_rot:2] = a * c - b * s, a * s + b * c
        return y

    return turn, (1 + by_log * np.log(factor)) ** 2


def deepseek(m, l, x):
    """deepseek2, and glm-dsa where the context is too short for a choice"""
    w = m.layer(l)
    turn, times = yarn(m) if m.get("rope.scaling.type") == "yarn" else (rope_adjacent, 1)
    for name in ("attn_q_b", "attn_q"):
        if name in w:
            w[name] = w[name] * times
            break
    x = x + latent_attention(m, w, rms(x, m.eps) * w["attn_norm"], turn)
    return x + second_half(m, w, rms(x, m.eps) * w["ffn_norm"], l)


def by_neighbours(m, w):
    """qwen3next's delta net as qwen35 has it: there the heads of values that share a head of keys are neighbours, here every n-th"""
    d, n_k, n_v = m.get("ssm.state_size"), m.get("ssm.group_count"), m.get("ssm.time_step_rank")
    order = np.arange(n_v).reshape(n_k, n_v // n_k).T.reshape(-1)
    of = (order[:, None] * d + np.arange(d)).reshape(-1)
    ba = w["ssm_ba"].reshape(n_k, 2, n_v // n_k, -1)
    result, keys = dict(w), 2 * n_k * d
    for name, half in (("ssm_beta", 0), ("ssm_alpha", 1)):
        result[name] = ba[:, half].reshape(n_v, -1)[order]
    for name in ("ssm_a", "ssm_dt.bias"):
        result[name] = w[name][order]
    for name in ("attn_qkv", "ssm_conv1d"):
        result[name] = np.concatenate([w[name][:keys], w[name][keys:][of]])
    result["attn_gate"], result["ssm_out"] = w["attn_gate"][of], w["ssm_out"][:, of]
    return result


def qwen35(m, l, x):
    w = m.layer(l)
    n = rms(x, m.eps) * w["attn_norm"]
    if "attn_q" in w:
        x = x + golden_f64.attention(m, w, n, 0)
    else:
        x = x + golden_f64.delta_net(m, by_neighbours(m, w) if "ssm_ba" in w else w, n)
    n = rms(x, m.eps) * w["post_attention_norm"]
    return x + (golden_f64.experts(m, w, n) if m.get("expert_count") else golden_f64.feed_forward(w, n))


def cohere2moe(m, l, x):
    """the one that predicts: it sees everything, and is rotated"""
    return cohere2_layer(m, x, l, False, True)


LAYERS = {"glm4moe": glm4moe, "deepseek2": deepseek, "glm-dsa": deepseek, "qwen3next": qwen35, "qwen35": qwen35, "qwen35moe": qwen35,
          "cohere2moe": cohere2moe, "step35": decoder_layer(mixer_by_pattern),
          "mimo2": decoder_layer(mixer_by_pattern, normalised=True), "glm5next": glm5next_predicting}
BEFORE_NORM = ("step35", "mimo2")
BY_ROWS = {"cohere2moe": cohere2_rows, "glm5next": glm5next_rows}
STREAMS = {"deepseek4": (deepseek4_rows, deepseek4_predicted), "deepseek41": (deepseek41_rows, deepseek41_predicted),
           "qwen4exp": (golden_f64.qwen4exp_rows, golden_f64.qwen4exp_predicted)}


# ---------------------------------------------------------------- models


def hidden(m, ids):
    """rows behind the output norm, and those that the layer goes on from"""
    if m.arch in BY_ROWS:
        normed = BY_ROWS[m.arch](m, ids)
        return normed, normed
    if m.arch in STREAMS:
        x, u = STREAMS[m.arch][0](m, ids)
        return ended(m, u, m.t.get("output_norm.weight")), x
    x = m.t["token_embd.weight"][ids]
    for l in range(trunk(m)):
        x = LAYERS[m.arch](m, l, x)
    normed = rms(x, m.eps) * m.t["output_norm.weight"]
    return normed, x if m.arch in BEFORE_NORM else normed


def ended(m, u, weight):
    """qwen4exp has no norm there"""
    return u if m.arch == "qwen4exp" else norm_of(m)(u, m.eps) * weight


def logits_of(m, x):
    return m.get("logit_scale", 1) * head(m, x)


def nextn(m, ids):
    l, h = trunk(m), hidden(m, ids)[1]
    w = m.layer(l)
    norm = norm_of(m)
    token = norm(m.t["token_embd.weight"][ids[1:]], m.eps) * w["nextn.enorm"]
    before = h[:-1]
    if w["nextn.hnorm"].size > before.shape[-1]:    # streams as one row
        before = (norm(before.reshape(len(before), -1), m.eps) * w["nextn.hnorm"]).reshape(before.shape)
    else:
        before = norm(before, m.eps) * w["nextn.hnorm"]
    if m.arch in STREAMS:
        token = np.repeat(token[:, None, :], h.shape[1], 1)
    x = np.concatenate([token, before], -1) @ w["nextn.eh_proj"].T
    x = STREAMS[m.arch][1](m, l, x)[1] if m.arch in STREAMS else LAYERS[m.arch](m, l, x)
    z = logits_of(m, ended(m, x, w.get("nextn.shared_head_norm", w.get("layer_output_norm", m.t.get("output_norm.weight")))))
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
    begin, result = "blk.%d." % trunk(m), []
    for name in (k for k in m.t if k.startswith(begin) and "indexer" not in k):
        shift = any(x in name for x in ("attn_q.", "attn_k.", "exp_probs_b", "attn_q_a.", "attn_kv_a_mqa", "attn_kv."))
        other = perturbed(m, lambda k, v: (np.roll(v, 1, 0) if shift else 1.2 * v) if k == name else v)
        other.eps, other.gap = m.eps, 1.0
        result.append((error(rows_of(other, ids), ref), name))
    return min(result)


def main():
    folder = sys.argv[1]
    for name in sys.argv[2:]:
        ids, ref = read_ref(os.path.join(folder, name + ".ref"))
        m = Model(os.path.join(folder, name + ".gguf"))
        m.eps, m.gap = m.get("attention.layer_norm_rms_epsilon", m.get("attention.layer_norm_epsilon")), 1.0
        own = error(logits_of(m, hidden(m, ids)[0]), ref.astype(np.float64))
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
