"""Decoders whose rows are several streams, in double precision, for golden_f64.py: definitions of docs/spec/architectures.md and the
implementations that it names.

deepseek4 has goldens that another engine made: they show that the hyper-connections, compressed keys, indexers and routers are right which
glm5next shares with it; its Kimi delta attention and latent attention are those of f64_decoders.py. Nothing is shared with src/.
"""
import numpy as np
from f64 import around_mean, rms, sigmoid, softmax, softplus, turns
from f64_decoders import by_layer, choose, delta_attention, feed_forward, head, latent_attention, layers


# ---------------------------------------------------------------- hyper-connections; x [tokens][streams][d]
def embedded(m, ids):
    return np.repeat(m.t["token_embd.weight"][ids][:, None, :], m.get("hyper_connection.count"), 1)


def doubly_stochastic(m, c):
    """Sinkhorn: rows by a softmax, then columns, then both in turn"""
    eps = m.get("hyper_connection.epsilon")
    c = softmax(c) + eps
    c = c / (c.sum(-2, keepdims=True) + eps)
    for _ in range(m.get("hyper_connection.sinkhorn_iterations") - 1):
        c = c / (c.sum(-1, keepdims=True) + eps)
        c = c / (c.sum(-2, keepdims=True) + eps)
    return c


def gates(m, w, stem, x):
    """of a block: those that collapse [t][s], those of its output [t][s], those that mix the streams [t][from][to]"""
    tokens, n = x.shape[:2]
    logits = rms(x.reshape(tokens, -1), m.eps) @ w[stem + "_fn"].T
    scale, base = w[stem + "_scale"], w[stem + "_base"]
    pre = sigmoid(logits[:, :n] * scale[0] + base[:n]) + m.get("hyper_connection.epsilon")
    if logits.shape[1] == n:
        return pre, None, None
    post = 2 * sigmoid(logits[:, n:2 * n] * scale[1] + base[n:2 * n])
    return pre, post, doubly_stochastic(m, (logits[:, 2 * n:] * scale[2] + base[2 * n:]).reshape(tokens, n, n))


def around(m, w, stem, x, block):
    """the streams behind a block between hyper-connections"""
    pre, post, comb = gates(m, w, stem, x)
    y = block(np.einsum("ts,tsd->td", pre, x))
    return post[:, :, None] * y[:, None, :] + np.einsum("tij,tid->tjd", comb, x)


# ---------------------------------------------------------------- keys for several positions
def pooled(z, score, ratio):
    """[blocks][d]: of each whole block the sum of z with weights softmax(score) by column"""
    n = len(z) // ratio * ratio
    z, score = z[:n].reshape(-1, ratio, z.shape[1]), score[:n].reshape(-1, ratio, z.shape[1])
    e = np.exp(score - score.max(1, keepdims=True))
    return (z * e).sum(1) / e.sum(1)


def best(m, score, most):
    """numbers of the largest, ties: the lower"""
    order = np.argsort(-score, kind="stable")
    if len(order) > most:
        last, following = score[order[most - 1]], score[order[most]]
        if last != following:
            m.gap = min(m.gap, (last - following) / max(abs(last), abs(following)))
    return order[:most]


def index_scores(m, w, n, q, keys):
    """[tokens][keys]: of all heads, each with its weight"""
    h, d = m.get("attention.indexer.head_count"), m.get("attention.indexer.key_length")
    weight = n @ w["indexer.proj"].T / np.sqrt(h * d)
    return np.einsum("th,thk->tk", weight, np.maximum(0, np.einsum("thd,kd->thk", q, keys)))


# ---------------------------------------------------------------- feed-forwards
def clamped_before(g, u, limit):
    """the hidden row, clamped before silu; limit 0: not at all"""
    if limit:
        g, u = np.minimum(g, limit), np.clip(u, -limit, limit)
    return g * sigmoid(g) * u


def routed(m, w, n, ids, limit):
    """the sum over a row's experts, chosen by the token where the layer has a table"""
    logits, used = n @ w["ffn_gate_inp"].T, m.get("expert_used_count")
    p = sigmoid(logits) if m.get("expert_gating_func") == 2 else np.sqrt(softplus(logits))
    y = np.zeros_like(n)
    for t in range(len(n)):
        by_token = "ffn_gate_tid2eid" in w
        chosen = w["ffn_gate_tid2eid"][ids[t]].astype(int) if by_token else choose(m, p[t] + w["exp_probs_b.bias"], used)
        weight = p[t][chosen] / (p[t][chosen].sum() if m.get("expert_weights_norm") else 1) * m.get("expert_weights_scale", 1)
        for e, x in zip(chosen, weight):
            y[t] += x * (w["ffn_down_exps"][e] @ clamped_before(w["ffn_gate_exps"][e] @ n[t], w["ffn_up_exps"][e] @ n[t], limit))
    return y


# ---------------------------------------------------------------- attention of deepseek4
def through_fp8(x):
    """e4m3 with a scale of its own, a power of two, for each 64 values"""
    rows = x.reshape(-1, 64)
    largest = np.maximum(np.abs(rows).max(1, keepdims=True), 1e-300)
    scale = 2.0 ** np.ceil(np.log2(largest / 448))
    y = rows / scale
    step = 2.0 ** (np.maximum(np.floor(np.log2(np.maximum(np.abs(y), 1e-300))), -6) - 3)
    return (np.round(y / step) * step * scale).reshape(x.shape)


def turned(m, x, pos, base, back=False):
    """the last values of heads x [tokens][heads][d], in adjacent pairs"""
    n_rot = m.get("rope.dimension_count")
    c, s = turns(pos, n_rot, base)
    s = -s if back else s
    y = x.copy()
    a, b = x[..., -n_rot::2], x[..., x.shape[-1] - n_rot + 1::2]
    y[..., -n_rot::2], y[..., x.shape[-1] - n_rot + 1::2] = a * c - b * s, a * s + b * c
    return y


def rounded(m, x):
    plain = x.shape[-1] - m.get("rope.dimension_count")
    return np.concatenate([through_fp8(x[..., :plain]), x[..., plain:]], -1)


def compressed(m, w, n, stem, ratio, base):
    """[blocks][d]; where blocks overlap, the halves of a row serve the following block and its own"""
    z, ape = n @ w[stem + "_compressor_kv"].T, w[stem + "_compressor_ape"]
    score = n @ w[stem + "_compressor_gate"].T + ape[np.arange(len(n)) % ratio]
    if ratio == 4:
        d, whole = z.shape[1] // 2, len(n) // ratio
        out = np.zeros((whole, d))
        for b in range(whole):
            own, past = slice(b * ratio, (b + 1) * ratio), slice(max(0, b - 1) * ratio, b * ratio)
            out[b] = pooled(np.concatenate([z[past, :d], z[own, d:]]), np.concatenate([score[past, :d], score[own, d:]]), ratio * (2 if b else 1))[0]
    else:
        out = pooled(z, score, ratio)
    out = rms(out, m.eps) * w[stem + "_compressor_norm"]
    return turned(m, out[:, None, :], ratio * np.arange(len(out)), base)[:, 0]


def with_sinks(q, k, seen, sinks):
    """q [tokens][heads][d], k [keys][d] of all heads, which are the values too; seen [tokens][keys]"""
    score = np.where(seen[:, None, :], np.einsum("thd,kd->thk", q, k) / np.sqrt(q.shape[2]), -np.inf)
    largest = np.maximum(score.max(-1), sinks)[:, :, None]
    e = np.exp(score - largest)
    return np.einsum("thk,kd->thd", e / (e.sum(-1, keepdims=True) + np.exp(sinks[None, :, None] - largest)), k)


def grouped_output(m, w, o):
    tokens, groups = len(o), m.get("attention.output_group_count")
    a = w["attn_output_a"].reshape(groups, -1, w["attn_output_a"].shape[1])
    return np.einsum("tgi,gri->tgr", o.reshape(tokens, groups, -1), a).reshape(tokens, -1) @ w["attn_output_b"].T


def in_window(m, tokens):
    far = np.arange(tokens)[:, None] - np.arange(tokens)[None, :]
    return (far >= 0) & (far < m.get("attention.sliding_window"))


def seen_compressed(m, w, n, low, ratio, base):
    tokens, whole = len(n), len(n) // ratio
    seen = ratio * (np.arange(whole)[None, :] + 1) <= np.arange(tokens)[:, None] + 1
    if ratio != 4:
        return seen
    keys = compressed(m, w, n, "indexer", ratio, base)
    q = turned(m, (low @ w["indexer.attn_q_b"].T).reshape(tokens, m.get("attention.indexer.head_count"), -1), np.arange(tokens), base)
    score = index_scores(m, w, n, q, keys)
    for p in range(tokens):
        last = seen[p].sum()
        mine = best(m, score[p, :last], m.get("attention.indexer.top_k"))
        seen[p] = np.isin(np.arange(whole), mine)
    return seen


def deepseek4_attention(m, w, u, ratio):
    n, tokens, h = rms(u, m.eps) * w["attn_norm"], len(u), m.get("attention.head_count")
    base, pos = m.get("attention.compress_rope_freq_base") if ratio else m.get("rope.freq_base"), np.arange(len(u))
    low = rms(n @ w["attn_q_a"].T, m.eps) * w["attn_q_a_norm"]
    q = turned(m, rms((low @ w["attn_q_b"].T).reshape(tokens, h, -1), m.eps), pos, base)
    k = rounded(m, turned(m, (rms(n @ w["attn_kv"].T, m.eps) * w["attn_kv_a_norm"])[:, None, :], pos, base)[:, 0])
    seen = in_window(m, tokens)
    if ratio:
        k = np.concatenate([k, rounded(m, compressed(m, w, n, "attn", ratio, base))])
        seen = np.concatenate([seen, seen_compressed(m, w, n, low, ratio, base)], 1)
    return grouped_output(m, w, turned(m, with_sinks(q, k, seen, w["attn_sinks"]), pos, base, True))


# ---------------------------------------------------------------- models
def deepseek4_layer(m, l, x, ids=None):
    """ids: of a layer whose experts go by tokens"""
    w = m.layer(l)

    def experts(u):
        n = rms(u, m.eps) * w["ffn_norm"]
        return routed(m, w, n, ids, by_layer(m.get("swiglu_clamp_exp"), l)) + feed_forward(w, n, "_shexp")

    x = around(m, w, "hc_attn", x, lambda u: deepseek4_attention(m, w, u, m.get("attention.compress_ratios")[l]))
    return around(m, w, "hc_ffn", x, experts)


def as_one(m, w, stem, x):
    return np.einsum("ts,tsd->td", gates(m, w, stem, x)[0], x)


def deepseek4_end(m, x):
    return as_one(m, {k.replace(".weight", ""): v for k, v in m.t.items() if k.startswith("output_hc_")}, "output_hc", x)


def deepseek4_rows(m, ids):
    """the streams behind the last layer, and those of each row as one"""
    x = embedded(m, ids)
    for l in layers(m):
        x = deepseek4_layer(m, l, x, ids)
    return x, deepseek4_end(m, x)


def deepseek4_predicted(m, l, x):
    x, w = deepseek4_layer(m, l, x), m.layer(l)
    return x, as_one(m, w, "nextn.hc_head", x) if "nextn.hc_head_fn" in w else deepseek4_end(m, x)


def deepseek4(m, ids):
    return head(m, rms(deepseek4_rows(m, ids)[1], m.eps) * m.t["output_norm.weight"])


def pools_seen(m, w, n):
    """[tokens][tokens]: positions of the best pools, and of the open one; with few pools all"""
    size = m.get("attention.indexer.kpool", m.get("attention.indexer.block_size"))
    most, tokens, h = m.get("attention.indexer.top_k") // size, len(n), m.get("attention.indexer.head_count")
    k = around_mean(n @ w["indexer.attn_k"].T, m.get("attention.layer_norm_epsilon")) * w["indexer.k_norm"] + w["indexer.k_norm.bias"]
    keys = pooled(k, n @ w["indexer_compressor_gate"].T + w["indexer_compressor_ape"][np.arange(tokens) % size], size)
    low = rms(n @ w["attn_q_a"].T, m.eps) * w["attn_q_a_norm"]
    score = index_scores(m, w, n, (low @ w["indexer.attn_q_b"].T).reshape(tokens, h, -1), keys)
    pos = np.arange(tokens)
    seen = pos[None, :] <= pos[:, None]
    for p in range(tokens):
        whole = (p + 1) // size
        if whole > most:
            seen[p] &= np.isin(pos // size, best(m, score[p, :whole], most)) | (pos >= whole * size)
    return seen


def glm5next_experts(m, w, l, u, ids):
    """limits of shared experts may be those of the others"""
    n, limit = rms(u, m.eps) * w["ffn_norm"], by_layer(m.get("swiglu_clamp_exp"), l)
    beside = by_layer(m.get("swiglu_clamp_shexp", limit), l)
    if "ffn_gate_inp" not in w:
        return feed_forward(w, n, "", beside, clamped_before)
    return routed(m, w, n, ids, limit) + feed_forward(w, n, "_shexp", beside, clamped_before)


def glm5next_rows(m, ids):
    """rows behind the last norm, of its two spellings"""
    x, bound = embedded(m, ids), m.get("kda.gate_lower_bound", -5.0)
    m.key.setdefault("rope.dimension_count", 0)

    def mixer(u):
        n = rms(u, m.eps) * w["attn_norm"]
        if "ssm_a" in w:
            return delta_attention(m, w, n, 1e-6, bound)
        return latent_attention(m, w, n, None, pools_seen(m, w, n))

    for l in layers(m):
        w = m.layer(l)
        x = around(m, w, "hc_attn", x, mixer)
        x = around(m, w, "hc_ffn", x, lambda u: glm5next_experts(m, w, l, u, ids))
    return rms(x.mean(1), m.eps) * m.t["output_norm.weight"]


def glm5next_predicting(m, l, x):
    """the layer that predicts: of one stream, sees all"""
    w, seen = m.layer(l), np.tril(np.ones((len(x), len(x)), bool))
    x = x + latent_attention(m, w, rms(x, m.eps) * w["attn_norm"], None, seen)
    return x + glm5next_experts(m, w, l, x, None)


def glm5next(m, ids):
    return head(m, glm5next_rows(m, ids))


ARCHS = {"deepseek4": deepseek4, "glm5next": glm5next, "glm5-next": glm5next}
