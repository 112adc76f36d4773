"""Decoders in double precision, for golden_f64.py: definitions of docs/spec/architectures.md and the implementations that it names.

Of those in ARCHS, command-r, cohere2, bailingmoe2 and kimi-linear have goldens that another engine made: they show that the parts are right which
cohere2moe and bailingmoe3 share with them. Nothing is shared with src/.
"""
import numpy as np
from f64 import around_mean, causal_conv, rms, rope, rope_adjacent, sigmoid, silu, softmax, softplus


def by_layer(value, l):
    return value[l] if isinstance(value, list) else value


def layers(m):
    return range(m.get("block_count") - m.get("nextn_predict_layers", 0))


def head(m, x):
    return x @ m.t.get("output.weight", m.t["token_embd.weight"]).T


# ---------------------------------------------------------------- feed-forwards; n [tokens][d], normed
def clamped(g, u, limit):
    """the hidden row where silu is clamped, not what it is taken of; limit 0: none"""
    return np.minimum(silu(g), limit) * np.clip(u, -limit, limit) if limit else silu(g) * u


def of_gpt_oss(g, u, _):
    g = np.minimum(g, 7)
    return (np.clip(u, -7, 7) + 1) * g * sigmoid(1.702 * g)


def feed_forward(w, n, end="", limit=0, hidden=clamped):
    return hidden(n @ w["ffn_gate" + end].T, n @ w["ffn_up" + end].T, limit) @ w["ffn_down" + end].T


def choose(m, choice, used):
    """experts of a row, best first: from the groups whose two best have the largest sums"""
    groups = m.get("expert_group_count", 1)
    if groups > 1:
        rows = choice.reshape(groups, -1)
        worth = np.sort(rows, 1)[:, -2:].sum(1)
        open_ones = np.argsort(-worth, kind="stable")
        n = m.get("expert_group_used_count")
        m.gap = min(m.gap, (worth[open_ones[n - 1]] - worth[open_ones[n]]) / abs(worth[open_ones[n - 1]]))
        choice = np.where(np.isin(np.arange(groups), open_ones[:n])[:, None], rows, -np.inf).reshape(-1)
    order = np.argsort(-choice, kind="stable")
    last, following = choice[order[used - 1]], choice[order[used]]
    m.gap = min(m.gap, (last - following) / abs(last) if np.isfinite(following) else 1.0)
    return order[:used]


def routed(m, w, n, limit=0, hidden=clamped):
    """the sum over a row's experts"""
    logits, used = n @ w["ffn_gate_inp"].T, m.get("expert_used_count")
    p = softmax(logits) if m.get("expert_gating_func", 2) == 1 else sigmoid(logits)
    normalised = m.arch == "kimi-linear" or m.get("expert_weights_norm", m.arch == "minimax-m3")
    y = np.zeros_like(n)
    for t in range(len(n)):
        chosen = choose(m, p[t] + w.get("exp_probs_b.bias", 0), used)
        weight = p[t][chosen] / (p[t][chosen].sum() if normalised else 1)
        for e, x in zip(chosen, weight * (m.get("expert_weights_scale", 0) or 1)):
            if "ffn_gate_up_exps" in w:
                g, u = np.split(w["ffn_gate_up_exps"][e] @ n[t], 2)
            else:
                g, u = w["ffn_gate_exps"][e] @ n[t], w["ffn_up_exps"][e] @ n[t]
            y[t] += x * (w["ffn_down_exps"][e] @ hidden(g, u, limit))
    return y


def second_half(m, w, n, l):
    """dense, or experts and a shared one, with the limits of the layer"""
    limit = by_layer(m.get("swiglu_clamp_shexp", 0), l)
    if "ffn_gate_inp" not in w:
        return feed_forward(w, n, "", limit)
    return routed(m, w, n, by_layer(m.get("swiglu_clamp_exp", 0), l)) + feed_forward(w, n, "_shexp", limit)


# ---------------------------------------------------------------- attention
def softmax_of(score, window=0):
    """score [heads][rows][rows]; a row sees itself and those before it, with a window the last so many"""
    pos = np.arange(score.shape[1])
    far = pos[:, None] - pos[None, :]
    return softmax(np.where((far >= 0) & (far < (window or len(pos))), score, -np.inf))


def heads_of(m, w, n):
    """q [tokens][heads][d], k and v, from three matrices or from one"""
    h, kv = m.get("attention.head_count"), m.get("attention.head_count_kv")
    d = m.get("attention.key_length", n.shape[1] // h)
    if "attn_qkv" in w:
        q, k, v = np.split(n @ w["attn_qkv"].T, [h * d, (h + kv) * d], 1)
    else:
        q, k, v = (n @ w["attn_" + x].T for x in "qkv")
    return (x.reshape(len(n), -1, d) for x in (q, k, v))


def chosen_positions(m, w, n, turn):
    """[index heads][rows][rows]: the blocks that each head takes, by the best key of each"""
    h, d, size = (m.get("attention.indexer." + x) for x in ("head_count", "key_length", "block_size"))
    most, local = m.get("attention.indexer.top_k"), m.get("attention.indexer.local_blocks")
    q = rms((n @ w["indexer.q_proj"].T).reshape(len(n), h, d), m.eps) * w["indexer.q_norm"]
    k = rms(n @ w["indexer.k_proj"].T, m.eps)[:, None, :] * w["indexer.k_norm"]
    q, k = turn(q), turn(k)[:, 0]
    seen = np.zeros((h, len(n), len(n)), bool)
    for p in range(len(n)):
        for i in range(h):
            score = k[:p + 1] @ q[p, i]
            worth = np.array([score[b:b + size].max() for b in range(0, p + 1, size)])
            worth[max(0, len(worth) - local):] = np.inf
            order = np.argsort(-worth, kind="stable")
            if len(order) > most:
                last, following = worth[order[most - 1]], worth[order[most]]
                m.gap = min(m.gap, (last - following) / abs(last) if np.isfinite(last) else 1.0)
            for b in order[:most]:
                seen[i, p, b * size:(b + 1) * size] = True
    return seen


def attention(m, w, n, turn, window=0):
    q, k, v = heads_of(m, w, n)
    if "attn_q_norm" in w:
        norm = around_mean if m.arch == "command-r" else rms
        q, k = norm(q, m.eps) * w["attn_q_norm"], norm(k, m.eps) * w["attn_k_norm"]
    def turned(x):
        return turn(x, np.arange(len(n)), m.get("rope.dimension_count"), m.get("rope.freq_base"))

    if turn:
        q, k = turned(q), turned(k)
    of = np.arange(q.shape[1]) // (q.shape[1] // k.shape[1])
    score = np.einsum("qhd,khd->hqk", q, k[:, of]) / np.sqrt(q.shape[2])
    if "indexer.q_proj" in w:
        score = np.where(chosen_positions(m, w, n, turned)[of], score, -np.inf)
    p = softmax_of(score, window)
    return np.einsum("hqk,khd->qhd", p, v[:, of]).reshape(len(n), -1) @ w["attn_output"].T


def latent_attention(m, w, n, turn, seen=True):
    """with the projections absorbed; gates by head where the layer has them; seen [tokens][tokens]: what an index chose"""
    h, rank, tokens = m.get("attention.head_count"), m.get("attention.kv_lora_rank"), len(n)
    d, n_rot = m.get("attention.key_length_mla"), m.get("rope.dimension_count")
    q = rms(n @ w["attn_q_a"].T, m.eps) * w["attn_q_a_norm"] @ w["attn_q_b"].T if "attn_q_a" in w else n @ w["attn_q"].T
    nope, pe = np.split(q.reshape(tokens, h, d), [d - n_rot], 2)
    kv = n @ w["attn_kv_a_mqa"].T
    c, k_pe = rms(kv[:, :rank], m.eps) * w["attn_kv_a_norm"], kv[:, None, rank:]
    if turn:
        pe, k_pe = (turn(x, np.arange(tokens), n_rot, m.get("rope.freq_base")) for x in (pe, k_pe))
    asked = np.einsum("thn,hrn->thr", nope, w["attn_k_b"])
    score = np.einsum("qhr,kr->hqk", asked, c) + np.einsum("qhr,kr->hqk", pe, k_pe[:, 0])
    score = np.where(seen, score / np.sqrt(d), -np.inf)
    o = np.einsum("hqk,kr,hvr->qhv", softmax_of(score), c, w["attn_v_b"], optimize=True)
    if "attn_gate" in w:
        o = o * sigmoid(n @ w["attn_gate"].T)[:, :, None]
    return o.reshape(tokens, -1) @ w["attn_output"].T


def delta_attention(m, w, n, qk_eps, bound=None):
    """Kimi delta attention; bound: of the logarithm of decays"""
    h, d, tokens = m.get("attention.head_count"), m.get("kda.head_dim"), len(n)

    def through(x):
        taps = w["ssm_conv1d_" + x]
        return silu(causal_conv(n @ w["attn_" + x].T, taps.reshape(taps.shape[0], -1))).reshape(tokens, h, d)

    def low_rank(x):
        a = n @ w["ssm_%s_a" % x].T
        return (a @ w["ssm_%s_b" % x].T if "ssm_%s_b" % x in w else a).reshape(tokens, h, d)

    q, k, v = (through(x) for x in "qkv")
    q, k = (x / np.sqrt((x * x).sum(-1, keepdims=True) + qk_eps) for x in (q, k))
    rate, f = np.abs(w["ssm_a"]).reshape(1, h, 1), low_rank("f") + w["ssm_dt.bias"].reshape(1, h, d)
    keep = np.exp(bound * sigmoid(rate * f) if bound else -rate * softplus(f))
    beta = sigmoid(n @ w["ssm_beta"].T)
    state, out = np.zeros((h, d, d)), np.zeros((tokens, h, d))
    for t in range(tokens):
        state *= keep[t][:, :, None]
        missing = beta[t][:, None] * (v[t] - np.einsum("hij,hi->hj", state, k[t]))
        state += k[t][:, :, None] * missing[:, None, :]
        out[t] = np.einsum("hij,hi->hj", state, q[t]) / np.sqrt(d)
    out = rms(out, m.eps) * w["ssm_norm"] * sigmoid(low_rank("g"))
    return out.reshape(tokens, -1) @ w["attn_output"].T


# ---------------------------------------------------------------- models
def norm_of(m):
    """RMS where the file gives that epsilon, else around the mean"""
    return rms if m.get("attention.layer_norm_rms_epsilon") else around_mean


def cohere2_layer(m, x, l, windowed, turned):
    w = m.layer(l)
    n = norm_of(m)(x, m.eps) * w["attn_norm"]
    y = routed(m, w, n) if "ffn_gate_inp" in w else feed_forward(w, n)
    if "ffn_up_shexp" in w:
        y = (y + feed_forward(w, n, "_shexp")) / 2
    return x + attention(m, w, n, rope_adjacent if turned else None, m.get("attention.sliding_window") if windowed else 0) + y


def cohere2_rows(m, ids):
    """behind the output norm. command-r has no windows; every fourth layer of cohere2 sees all; cohere2moe says which do, and turns heads in the
    leading dense ones too"""
    has_experts, pattern = m.arch == "cohere2moe", m.get("attention.sliding_window_pattern")
    x = m.t["token_embd.weight"][ids]
    for l in layers(m):
        windowed = False if m.arch == "command-r" else (l + 1) % 4 != 0 if pattern is None else pattern[l] if isinstance(pattern, list) else l % pattern != 0
        turned = windowed or m.arch == "command-r" or (has_experts and l < m.get("leading_dense_block_count"))
        x = cohere2_layer(m, x, l, windowed, turned)
    return norm_of(m)(x, m.eps) * m.t["output_norm.weight"]


def cohere2(m, ids):
    return m.get("logit_scale") * head(m, cohere2_rows(m, ids))


def ling(m, ids):
    """bailingmoe2, and bailingmoe3 with its two kinds of layers; kimi-linear, whose latents have no positions"""
    x = m.t["token_embd.weight"][ids]
    bound = m.get("kda.gate_lower_bound") if m.get("kda.safe_gate", True) else None
    for l in layers(m):
        w = m.layer(l)
        n = rms(x, m.eps) * w["attn_norm"]
        if "ssm_a" in w:
            x = x + delta_attention(m, w, n, 1e-6 if m.arch == "kimi-linear" else m.eps, bound)
        elif "attn_kv_a_mqa" in w:
            x = x + latent_attention(m, w, n, rope_adjacent if m.arch == "bailingmoe3" else None)
        else:
            x = x + attention(m, w, n, rope)
        x = x + second_half(m, w, rms(x, m.eps) * w["ffn_norm"], l)
    return head(m, rms(x, m.eps) * m.t["output_norm.weight"])


def minimax(m, ids):
    """minimax-m3"""
    x = m.t["token_embd.weight"][ids]
    for l in layers(m):
        w = m.layer(l)
        x = x + attention(m, w, rms(x, m.eps) * w["attn_norm"], rope)
        n = rms(x, m.eps) * w["ffn_norm"]
        if "ffn_gate_inp" in w:
            x = x + routed(m, w, n, 0, of_gpt_oss) + feed_forward(w, n, "_shexp", 0, of_gpt_oss)
        else:
            x = x + feed_forward(w, n, "", 0, of_gpt_oss)
    return head(m, rms(x, m.eps) * m.t["output_norm.weight"])


ARCHS = {"minimax-m3": minimax, "command-r": cohere2, "cohere2": cohere2, "cohere2moe": cohere2, "bailingmoe2": ling, "bailingmoe3": ling, "kimi-linear": ling}
