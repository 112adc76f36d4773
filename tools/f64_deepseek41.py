"""DeepSeek-V4.1 in double precision, for golden_f64.py: the definition of docs/spec/architectures.md, part 5, and the implementations that it
names, by whole sequences.

What it shares with deepseek4 (hyper-connections, pools of keys, indexers, attention with sinks, grouped outputs, routers) is f64_streams.py's,
which agrees with the goldens of that architecture. Nothing is shared with src/.
"""
import numpy as np
from f64 import rms, sigmoid
from f64_decoders import by_layer, feed_forward, head, layers
from f64_streams import best, clamped_before, embedded, gates, grouped_output, in_window, index_scores, pooled, routed, with_sinks


# ---------------------------------------------------------------- rope of the last values, with YaRN where keys are shared
def frequencies(m, shared):
    n_rot = m.get("rope.dimension_count")
    i = np.arange(n_rot // 2)
    base = m.get("attention.compress_rope_freq_base") if shared else m.get("rope.freq_base")
    f = base ** (-2.0 * i / n_rot)
    if not shared or m.get("rope.scaling.type") != "yarn":
        return f
    original, factor = m.get("rope.scaling.original_context_length"), m.get("rope.scaling.factor")
    low, high = (n_rot * np.log(original / (turns * 2 * np.pi)) / (2 * np.log(base)) for turns in (32, 1))
    low, high = max(0, np.floor(low)), min(n_rot - 1, np.ceil(high))
    kept = 1 - np.clip((i - low) / max(0.001, high - low), 0, 1)
    return f / factor * (1 - kept) + f * kept


def turned(m, x, pos, shared, back=False):
    """x [tokens][heads][d]: adjacent pairs"""
    f = frequencies(m, shared)
    angle = np.asarray(pos)[:, None] * f * (-1 if back else 1)
    z = (x[..., -2 * len(f)::2] + 1j * x[..., x.shape[-1] - 2 * len(f) + 1::2]) * np.exp(1j * angle)[:, None, :]
    y = x.copy()
    y[..., -2 * len(f)::2], y[..., x.shape[-1] - 2 * len(f) + 1::2] = z.real, z.imag
    return y


# ---------------------------------------------------------------- keys that layers share
class Shared:
    """what a layer with a compressor, an indexer, or both leaves to those behind it"""
    keys = index_keys = chosen = candidates = None


def make_keys(m, w, n, ratio, shared):
    z = n @ w["attn_compressor_kv"].T
    c = pooled(z, n @ w["attn_compressor_gate"].T, ratio) if ratio > 1 else z
    c = rms(c, m.eps) * w["attn_compressor_norm"]
    first = ratio * np.arange(len(c))
    index = rms(c @ w["indexer.attn_k"].T, m.eps) * w["indexer.k_norm"]
    shared.index_keys = turned(m, index[:, None, :], first, True)[:, 0]
    shared.keys = turned(m, c[:, None, :], first, True)[:, 0]
    shared.candidates = None


def blocks_of(m, score, size, most):
    """numbers of the blocks with the best keys, the last one among them"""
    worth = np.array([score[i:i + size].max() for i in range(0, len(score), size)])
    worth[-1] = np.inf
    return best(m, worth, most)


def choose_keys(m, w, n, low, ratio, shared, in_blocks):
    """[tokens][keys]; in_blocks: keys of one position, chosen in two steps"""
    tokens, groups = len(n), len(shared.keys)
    q = (low @ w["indexer.attn_q_b"].T).reshape(tokens, m.get("attention.indexer.head_count"), -1)
    score = index_scores(m, w, n, turned(m, q, np.arange(tokens), True), shared.index_keys)
    size = m.get("attention.candidate_block_size", 8)
    most = m.get("attention.candidate_topk_blocks", m.get("attention.candidate_top_k_blocks", 2048))
    first = in_blocks and shared.candidates is None
    blocks, shared.chosen = [], np.zeros((tokens, groups), bool)
    for p in range(tokens):
        mine = score[p, :(p + 1) // ratio].copy()
        if first and len(mine):
            blocks.append(blocks_of(m, mine, size, most))
        elif in_blocks and len(mine):
            mine[~np.isin(np.arange(len(mine)) // size, shared.candidates[p])] = -np.inf
        take = best(m, mine, m.get("attention.indexer.top_k"))
        shared.chosen[p, take[np.isfinite(mine[take])]] = True
    if first:
        shared.candidates = blocks


def attention(m, w, u, ratio, shared):
    n, tokens, h, pos = rms(u, m.eps) * w["attn_norm"], len(u), m.get("attention.head_count"), np.arange(len(u))
    low = rms(n @ w["attn_q_a"].T, m.eps) * w["attn_q_a_norm"]
    q = turned(m, (low @ w["attn_q_b"].T).reshape(tokens, h, -1), pos, ratio)
    norm = w["attn_kv_norm"] if "attn_kv_norm" in w else w["attn_kv_a_norm"]
    k = turned(m, (rms(n @ w["attn_kv"].T, m.eps) * norm)[:, None, :], pos, ratio)[:, 0]
    seen = in_window(m, tokens)
    if ratio:
        if "attn_compressor_kv" in w:
            make_keys(m, w, n, ratio, shared)
        if "indexer.attn_q_b" in w:
            choose_keys(m, w, n, low, ratio, shared, ratio == 1)
        k, seen = np.concatenate([k, shared.keys]), np.concatenate([seen, shared.chosen], 1)
    return grouped_output(m, w, turned(m, with_sinks(q, k, seen, w["attn_sinks"]), pos, ratio, True))


# ---------------------------------------------------------------- engrams
def engram_rows(m, ids, which):
    """[tokens][heads] rows of the table of a layer"""
    size, per, number = m.get("engram.max_ngram_size"), m.get("engram.head_count"), m.get("engram.token_map")
    heads = (size - 1) * per
    times = m.get("engram.multipliers")[which * size:(which + 1) * size]
    prime, offset = (m.get("engram." + x)[which * heads:(which + 1) * heads] for x in ("primes", "offsets"))
    out = []
    for p in range(len(ids)):
        t = [number[int(ids[p - i])] if p >= i else m.get("engram.pad_id") for i in range(size)]
        row, h = [], t[0] * times[0] % (1 << 64)
        for i in range(1, size):
            h ^= t[i] * times[i] % (1 << 64)
            row += [h % prime[j] + offset[j] for j in range((i - 1) * per, i * per)]
        out.append(row)
    return np.array(out)


def engrams(m, w, x, ids, which):
    """what they add to the streams"""
    tokens, streams, d = x.shape
    kv = w["engram_embd"][engram_rows(m, ids, which)].reshape(tokens, -1) @ w["engram_wkv"].T
    key, value = kv[:, :streams * d].reshape(x.shape), kv[:, None, streams * d:]
    a = (rms(x, m.eps) * w["engram_q"] * rms(key, m.eps) * w["engram_k"]).sum(-1) / np.sqrt(d)
    return sigmoid(np.copysign(np.sqrt(np.maximum(np.abs(a), 1e-6)), a))[:, :, None] * value


# ---------------------------------------------------------------- the model
def first_gates(x):
    pre = np.zeros(x.shape[:2])
    pre[:, 0] = 1
    return pre


def layer(m, l, x, pre, shared, ids=None):
    """streams behind a layer, and the gates that it leaves; ids: of a layer with engrams"""
    w, ratio = m.layer(l), m.get("attention.compress_ratios")[l]

    def one_behind(stem, x, pre, block):
        mine, post, comb = gates(m, w, stem, x)
        y = block(np.einsum("ts,tsd->td", pre, x))
        return post[:, :, None] * y[:, None, :] + np.einsum("tij,tid->tjd", comb, x), mine

    def experts(u):
        n, limit = rms(u, m.eps) * w["ffn_norm"], by_layer(m.get("swiglu_clamp_exp", 10.0), l)
        beside = by_layer(m.get("swiglu_clamp_shexp", limit), l)
        return routed(m, w, n, ids, limit) + feed_forward(w, n, "_shexp", beside, clamped_before)

    if l in m.get("engram.layer_ids", []):
        x = x + engrams(m, w, x, ids, m.get("engram.layer_ids").index(l))
    x, pre = one_behind("hc_attn", x, pre, lambda u: attention(m, w, u, ratio, shared))
    return one_behind("hc_ffn", x, pre, experts)


def deepseek41_rows(m, ids):
    """the streams behind the last layer, and those of each row as one"""
    x, shared = embedded(m, ids), Shared()
    pre = first_gates(x)
    for l in layers(m):
        x, pre = layer(m, l, x, pre, shared, ids)
    return x, np.einsum("ts,tsd->td", pre, x)


def deepseek41_predicted(m, l, x):
    x, pre = layer(m, l, x, first_gates(x), Shared())
    return x, np.einsum("ts,tsd->td", pre, x)


def deepseek41(m, ids):
    return head(m, rms(deepseek41_rows(m, ids)[1], m.eps) * m.t["output_norm.weight"])


ARCHS = {"deepseek41": deepseek41}
