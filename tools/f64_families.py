"""Decoders that have goldens which another engine made, in double precision, for golden_f64.py: so each is held against one, and computes references
of real widths that no engine has computed. Definitions: docs/spec/architectures.md part 2 and what it names. Nothing is shared with src/.
"""
import numpy as np
from f64 import causal_conv, rms, rope, rope_adjacent, sigmoid, silu, softmax, softplus
from f64_decoders import by_layer, choose, feed_forward, head, layers

EVERY = 4   # which layer of a group sees all, or has no rope, where no key says it


# ---------------------------------------------------------------- rope and temperature
def scaled_turn(m):
    """rope of adjacent pairs whose frequencies YaRN changes; cosines and sines as they are"""
    n_rot, base, factor = m.get("rope.dimension_count"), m.get("rope.freq_base"), m.get("rope.scaling.factor")
    if m.get("rope.scaling.type") != "yarn":
        return lambda x, pos: rope_adjacent(x, pos, n_rot, base)
    original = m.get("rope.scaling.original_context_length")
    fast, slow = m.get("rope.scaling.yarn_beta_fast", 32.0), m.get("rope.scaling.yarn_beta_slow", 1.0)

    def pair_of(turns):
        return n_rot * np.log(original / (turns * 2 * np.pi)) / (2 * np.log(base))

    low, high = max(0, np.floor(pair_of(fast))), min(n_rot - 1, np.ceil(pair_of(slow)))
    i = np.arange(n_rot // 2)
    slower = np.clip((i - low) / max(1e-3, high - low), 0, 1)
    frequency = base ** (-i / (n_rot // 2)) * (1 - slower + slower / factor)

    def turn(x, pos):
        angle = np.asarray(pos)[:, None, None] * frequency
        y, a, b = x.copy(), x[..., 0:n_rot:2], x[..., 1:n_rot:2]
        y[..., 0:n_rot:2], y[..., 1:n_rot:2] = a * np.cos(angle) - b * np.sin(angle), a * np.sin(angle) + b * np.cos(angle)
        return y

    return turn


def magnitude(m, a):
    return 1 + 0.1 * a * np.log(m.get("rope.scaling.factor", 1.0))


def temperature(m, tokens, length):
    scale = m.get("attention.temperature_scale", 0)
    return 1 + scale * np.log(1 + np.arange(tokens) // length) if scale else np.ones(tokens)


# ---------------------------------------------------------------- attention; n [tokens][d], normed
def attend(m, w, n, turn=None, scale=0, window=0, chunk=0, norm="before", hot=None):
    """turn(x, pos) of heads; norm of q and k: before rope, behind it, or of unit length there; gates of the output by head or by value"""
    tokens, pos = len(n), np.arange(len(n))
    most = np.max(m.get("attention.head_count"))
    d = m.get("attention.key_length", n.shape[1] // most)
    q, k = ((n @ w["attn_" + x].T).reshape(tokens, -1, d) for x in "qk")
    v = (n @ w["attn_v"].T).reshape(tokens, k.shape[1], -1)

    def normed(x, name):
        return rms(x, m.eps) * w[name] if name in w else x

    if norm == "before":
        q, k = normed(q, "attn_q_norm"), normed(k, "attn_k_norm")
    if turn:
        q, k = turn(q, pos), turn(k, pos)
    if norm == "behind":
        q, k = normed(q, "attn_q_norm"), normed(k, "attn_k_norm")
    elif norm == "unit":
        q, k = rms(q, m.eps), rms(k, m.eps)
    if hot is not None:
        q = q * hot[:, None, None]
    of = np.arange(q.shape[1]) // (q.shape[1] // k.shape[1])
    far = pos[:, None] - pos[None, :]
    seen = (far >= 0) & (far < (window or tokens))
    if chunk:
        seen &= pos[:, None] // chunk == pos[None, :] // chunk
    score = np.where(seen, np.einsum("qhd,khd->hqk", q, k[:, of]) * (scale or 1 / np.sqrt(d)), -np.inf)
    if "attn_sinks" in w:
        sinks = np.broadcast_to(w["attn_sinks"][:, None, None], score.shape[:2] + (1,))
        p = softmax(np.concatenate([score, sinks], 2))[:, :, :-1]
    else:
        p = softmax(score)
    o = np.einsum("hqk,khd->qhd", p, v[:, of])
    if "attn_gate" in w:
        gate = sigmoid(n @ w["attn_gate"].T)
        o = o * (gate[:, :, None] if gate.shape[1] == o.shape[1] else gate.reshape(o.shape))
    return o.reshape(tokens, -1) @ w["attn_output"].T


def half(m, n_rot=None, base=None):
    n_rot, base = n_rot or m.get("rope.dimension_count"), base or m.get("rope.freq_base")
    return lambda x, pos: rope(x, pos, n_rot, base)


def interleaved(m):
    """three axes take pairs in turn, each as many as its section says; of text all have one position, and what no axis takes stands still"""
    n_rot, sections = m.get("rope.dimension_count"), m.get("rope.dimension_sections")
    still = [i for i in range(n_rot // 2) if i >= 3 * sections[i % 3]]

    def turn(x, pos):
        y = rope(x, pos, n_rot, m.get("rope.freq_base"))
        for i in still:
            y[..., [i, i + n_rot // 2]] = x[..., [i, i + n_rot // 2]]
        return y

    return turn


def adjacent(m):
    return lambda x, pos: rope_adjacent(x, pos, m.get("rope.dimension_count"), m.get("rope.freq_base"))


# ---------------------------------------------------------------- other mixers
def mamba2(m, w, n):
    d_in, d_state, heads, groups = (m.get("ssm." + x) for x in ("inner_size", "state_size", "time_step_rank", "group_count"))
    z, u, dt = np.split(n @ w["ssm_in"].T, [d_in, 2 * d_in + 2 * groups * d_state], 1)
    u = silu(causal_conv(u, w["ssm_conv1d"]) + w["ssm_conv1d.bias"])
    x, b, c = np.split(u, [d_in, d_in + groups * d_state], 1)
    x = x.reshape(len(n), heads, -1)
    of = np.arange(heads) // (heads // groups)
    b, c = b.reshape(len(n), groups, -1)[:, of], c.reshape(len(n), groups, -1)[:, of]
    dt = softplus(dt + w["ssm_dt.bias"])
    keep, state, y = np.exp(dt * w["ssm_a"].reshape(-1)), np.zeros((heads, x.shape[2], d_state)), np.zeros_like(x)
    for t in range(len(n)):
        state = keep[t][:, None, None] * state + (dt[t][:, None] * x[t])[:, :, None] * b[t][:, None, :]
        y[t] = np.einsum("hds,hs->hd", state, c[t]) + w["ssm_d"].reshape(-1)[:, None] * x[t]
    y = (y.reshape(len(n), -1) * silu(z)).reshape(len(n), groups, -1)
    return (rms(y, m.eps) * w["ssm_norm"].reshape(groups, -1)).reshape(len(n), -1) @ w["ssm_out"].T


def short_convolution(w, n):
    b, c, z = np.split(n @ w["shortconv.in_proj"].T, 3, 1)
    return (c * causal_conv(b * z, w["shortconv.conv"])) @ w["shortconv.out_proj"].T


# ---------------------------------------------------------------- experts
def experts(m, w, n, gate=sigmoid, normalised=None, limit=0):
    """of a row the sum over its experts, beside a shared one where the layer has it"""
    logits, used = n @ w["ffn_gate_inp"].T, m.get("expert_used_count")
    p, y = gate(logits), np.zeros_like(n)
    normalised = m.get("expert_weights_norm", False) if normalised is None else normalised
    for t in range(len(n)):
        chosen = choose(m, p[t] + w.get("exp_probs_b.bias", 0), used)
        weight = p[t][chosen] / (p[t][chosen].sum() if normalised else 1) * (m.get("expert_weights_scale", 0) or 1)
        for e, x in zip(chosen, weight):
            g, u = silu(w["ffn_gate_exps"][e] @ n[t]), w["ffn_up_exps"][e] @ n[t]
            if limit:
                g, u = np.minimum(g, limit), np.clip(u, -limit, limit)
            y[t] += x * (w["ffn_down_exps"][e] @ (g * u))
    return y


def second(m, w, n, l, **how):
    beside = by_layer(m.get("swiglu_clamp_shexp", 0), l)
    if "ffn_gate_inp" not in w:
        return feed_forward(w, n, "", beside)
    y = experts(m, w, n, limit=by_layer(m.get("swiglu_clamp_exp", 0), l), **how)
    return y + feed_forward(w, n, "_shexp", beside) if "ffn_up_shexp" in w else y


def gated_input(m, w, n):
    """llama4: one expert, chosen by its logit, of a row times the sigmoid of that"""
    y = feed_forward(w, n, "_shexp")
    for t, logits in enumerate(n @ w["ffn_gate_inp"].T):
        e = choose(m, logits, 1)[0]
        x = n[t] * sigmoid(logits[e])
        y[t] += w["ffn_down_exps"][e] @ (silu(w["ffn_gate_exps"][e] @ x) * (w["ffn_up_exps"][e] @ x))
    return y


# ---------------------------------------------------------------- models
def embedded(m, ids):
    return m.t["token_embd.weight"][ids]


def ended(m, x, name="output_norm"):
    return head(m, rms(x, m.eps) * m.t[name + ".weight"])


def decoder_layer(mixer, ffn=second, **how):
    """norm and mixer, norm and feed-forward; mixer(m, w, n, l)"""
    def layer(m, l, x):
        w = m.layer(l)
        x = x + mixer(m, w, rms(x, m.eps) * w["attn_norm"], l)
        return x + ffn(m, w, rms(x, m.eps) * w["ffn_norm"], l, **how)
    return layer


def decoder(mixer, ffn=second, **how):
    layer = decoder_layer(mixer, ffn, **how)

    def model(m, ids):
        x = embedded(m, ids)
        for l in layers(m):
            x = layer(m, l, x)
        return ended(m, x)
    return model


def sees_all(l):
    return (l + 1) % EVERY == 0


def mixer_of_llama4(m, w, n, l):
    if not sees_all(l):
        return attend(m, w, n, adjacent(m), chunk=8192, norm="unit" if m.get("expert_count") != 128 else "before")
    return attend(m, w, n, hot=1 + 0.1 * np.log((np.arange(len(n)) + 1) // 8192 + 1))


def ffn_of_llama4(m, w, n, l):
    return gated_input(m, w, n) if "ffn_gate_inp" in w else feed_forward(w, n)


def mixer_of_mistral3(m, w, n, l):
    """q and k grow with cosines and sines: m(1) / m(log multiplier) each"""
    grown = magnitude(m, 1) / magnitude(m, m.get("rope.scaling.yarn_log_multiplier", 0.0)) if m.get("rope.scaling.type") == "yarn" else 1
    hot = temperature(m, len(n), m.get("rope.scaling.original_context_length", 1)) * grown ** 2
    return attend(m, w, n, scaled_turn(m), hot=hot)


def mixer_of_mistral4(m, w, n, l):
    h, rank, d, n_rot = (m.get(x) for x in ("attention.head_count", "attention.kv_lora_rank", "attention.key_length_mla", "rope.dimension_count"))
    tokens, pos, turn = len(n), np.arange(len(n)), scaled_turn(m)
    q = (rms(n @ w["attn_q_a"].T, m.eps) * w["attn_q_a_norm"] @ w["attn_q_b"].T).reshape(tokens, h, d)
    q = np.concatenate([q[..., :d - n_rot], turn(q[..., d - n_rot:], pos)], 2)
    kv = n @ w["attn_kv_a_mqa"].T
    c, k_pe = rms(kv[:, :rank], m.eps) * w["attn_kv_a_norm"], turn(kv[:, None, rank:], pos)
    k = np.concatenate([np.einsum("tr,hrn->thn", c, w["attn_k_b"]), np.repeat(k_pe, h, 1)], 2)
    v = np.einsum("tr,hvr->thv", c, w["attn_v_b"])
    scale = magnitude(m, 10 * m.get("rope.scaling.yarn_log_multiplier", 0.0)) ** 2 / np.sqrt(d)    # files hold a tenth of a
    score = np.einsum("qhd,khd->hqk", q * temperature(m, tokens, m.get("attention.temperature_length", 1))[:, None, None], k) * scale
    p = softmax(np.where(pos[:, None] >= pos[None, :], score, -np.inf))
    return np.einsum("hqk,khd->qhd", p, v).reshape(tokens, -1) @ w["attn_output"].T


def mixer_of_lfm2(m, w, n, l):
    return attend(m, w, n, half(m)) if "attn_q" in w else short_convolution(w, n)


def lfm2(m, ids):
    m.t["output_norm.weight"] = m.t["token_embd_norm.weight"]
    return decoder(mixer_of_lfm2, normalised=True)(m, ids)


def windowed(m, w, n, l, all_turn=None):
    """rope in windows; layers that see all are every fourth and have none"""
    if sees_all(l):
        return attend(m, w, n, all_turn)
    return attend(m, w, n, half(m), window=m.get("attention.sliding_window"))


def mixer_by_pattern(m, w, n, l):
    """step35: of layers that see all half is turned; mimo2"""
    if m.get("attention.sliding_window_pattern")[l]:
        return attend(m, w, n, half(m, base=m.get("rope.freq_base_swa")), window=m.get("attention.sliding_window"))
    return attend(m, w, n, half(m, n_rot=m.get("rope.dimension_count") // (2 if m.arch == "step35" else 1)))


def afmoe(m, ids):
    x = embedded(m, ids) * np.sqrt(m.get("embedding_length"))
    for l in layers(m):
        w = m.layer(l)
        y = windowed(m, w, rms(x, m.eps) * w["attn_norm"], l)
        x = x + rms(y, m.eps) * w["post_attention_norm"]
        y = second(m, w, rms(x, m.eps) * w["ffn_norm"], l)
        x = x + rms(y, m.eps) * w["post_ffw_norm"]
    return ended(m, x)


def granite(m, ids):
    """granitemoe, granitehybrid"""
    x, rest = embedded(m, ids) * m.get("embedding_scale", 1), m.get("residual_scale", 1)
    turn = adjacent(m) if m.get("rope.scaling.finetuned", True) else None
    for l in layers(m):
        w = m.layer(l)
        n = rms(x, m.eps) * w["attn_norm"]
        x = x + rest * (mamba2(m, w, n) if "ssm_in" in w else attend(m, w, n, turn, scale=m.get("attention.scale")))
        x = x + rest * second(m, w, rms(x, m.eps) * w["ffn_norm"], l, gate=softmax, normalised=True)
    return ended(m, x) / m.get("logit_scale", 1)


def plain(turn, norm="before"):
    return lambda m, w, n, l: attend(m, w, n, turn(m), norm=norm)


def by_key(m, w, n, l):
    return second(m, w, n, l, gate=softmax if m.get("expert_gating_func") == 1 else sigmoid)


ARCHS = {
    "llama4": decoder(mixer_of_llama4, ffn_of_llama4),
    "mistral3": decoder(mixer_of_mistral3, gate=softmax, normalised=True),
    "mistral4": decoder(mixer_of_mistral4, by_key),
    "smollm3": decoder(lambda m, w, n, l: attend(m, w, n, None if sees_all(l) else adjacent(m))),
    "qwen3vlmoe": decoder(plain(interleaved), gate=softmax, normalised=True),
    "granitemoe": granite, "granitehybrid": granite,
    "lfm2moe": lfm2,
    "ernie4_5-moe": decoder(plain(adjacent), gate=softmax, normalised=True),
    "hunyuan-moe": decoder(plain(half, "behind"), gate=softmax, normalised=True),
    "step35": decoder(mixer_by_pattern), "mimo2": decoder(mixer_by_pattern, normalised=True),
    "exaone-moe": decoder(windowed),
    "afmoe": afmoe,
    "dots1": decoder(plain(half), by_key),
}
