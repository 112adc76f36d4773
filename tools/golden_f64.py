#!/usr/bin/env python3
"""References of the golden models that no other engine made: logits in double precision.

  golden_f64.py --check DIR NAME...   compares with DIR/NAME.ref: qwen35, qwen35moe, qwen4exp, and those of f64_decoders.py, f64_families.py,
                                     f64_streams.py and f64_deepseek41.py
  golden_f64.py --make DIR NAME...    writes DIR/NAME.ref and prints the entry for INDEX.json
  golden_f64.py --real DIR NAME=OPTIONS...    the same of a model of real widths, which mkgguf.py makes with these options (q8_0)

Written from the definitions in docs/spec/architectures.md (parts 3 to 8) and the reference implementation that it names, by whole sequences
and plain numpy: nothing is shared with src/, so that a mistake is not made twice. What it says of qwen4exp rests on this: the parts
that qwen35 and qwen35moe have too agree with the goldens of those, which another engine made.
"""
import argparse
import hashlib
import json
import os
import subprocess
import sys
import numpy as np
import ggufw as G
import f64_decoders
import f64_deepseek41
import f64_families
import f64_streams
import mkgolden
from f64 import Model, causal_conv, read_ref, rms, rope, sigmoid, silu, softmax, write_ref

GREEDY, REAL_TOKENS, NOISE_MOST = 12, 6, 300e6


# ---------------------------------------------------------------- blocks; n: [tokens][d], normed
def delta_net(m, w, n):
    d, n_k, n_v, eps = m.get("ssm.state_size"), m.get("ssm.group_count"), m.get("ssm.time_step_rank"), m.eps
    u = silu(causal_conv(n @ w["attn_qkv"].T, w["ssm_conv1d"]))
    q, k, v = np.split(u, [n_k * d, 2 * n_k * d], 1)
    q, k, v = (x.reshape(len(n), -1, d) for x in (q, k, v))
    q = q / np.sqrt((q * q).sum(-1, keepdims=True) + eps) / np.sqrt(d)
    k = k / np.sqrt((k * k).sum(-1, keepdims=True) + eps)
    shared = np.arange(n_v) % n_k
    q, k = q[:, shared], k[:, shared]
    decay = np.exp(w["ssm_a"] * np.log1p(np.exp(n @ w["ssm_alpha"].T + w["ssm_dt.bias"])))
    beta = sigmoid(n @ w["ssm_beta"].T)
    state, out = np.zeros((n_v, d, d)), np.zeros((len(n), n_v, d))
    for t in range(len(n)):
        state *= decay[t][:, None, None]
        missing = (v[t] - np.einsum("hij,hi->hj", state, k[t])) * beta[t][:, None]
        state += k[t][:, :, None] * missing[:, None, :]
        out[t] = np.einsum("hij,hi->hj", state, q[t])
    z = n @ w["attn_gate"].T
    gate = sigmoid(z) if m.arch == "qwen4exp" else silu(z)
    return ((rms(out, eps) * w["ssm_norm"]).reshape(len(n), -1) * gate) @ w["ssm_out"].T


def seen(m, w, n, ratio):
    """[tokens][tokens]: what each position attends to"""
    pos = np.arange(len(n))
    mask = pos[None, :] <= pos[:, None]
    if not ratio:
        return mask
    heads, d, most = m.get("attention.indexer.head_count"), m.get("attention.indexer.key_length"), m.get("attention.indexer.top_k") // ratio
    n_rot, base = m.get("rope.dimension_count"), m.get("rope.freq_base")
    q = rope(rms((n @ w["indexer.q_proj"].T).reshape(len(n), heads, d), m.eps) * w["indexer.q_norm"], pos, n_rot, base)
    whole = len(n) // ratio
    raw = (n @ w["indexer.k_proj"].T)[:whole * ratio].reshape(whole, ratio, d).mean(1)
    k = rope((rms(raw, m.eps) * w["indexer.k_norm"])[:, None, :], ratio * np.arange(whole), n_rot, base)[:, 0]
    for p in pos:
        complete = (p + 1) // ratio
        if complete <= most:
            continue
        score = np.maximum(0, q[p] @ k[:complete].T).sum(0)
        order = np.lexsort((np.arange(complete), -score))
        last, next_one = score[order[most - 1]], score[order[most]]
        if last != next_one:
            m.gap = min(m.gap, (last - next_one) / last)
        mask[p] = False
        for b in order[:most]:
            mask[p, b * ratio:(b + 1) * ratio] = True
        mask[p, complete * ratio:p + 1] = True
    return mask


def attention(m, w, n, ratio):
    heads, kv, d = m.get("attention.head_count"), m.get("attention.head_count_kv"), m.get("attention.key_length")
    n_rot, base, pos = m.get("rope.dimension_count"), m.get("rope.freq_base"), np.arange(len(n))
    both = (n @ w["attn_q"].T).reshape(len(n), heads, 2, d)
    q = rope(rms(both[:, :, 0], m.eps) * w["attn_q_norm"], pos, n_rot, base)
    k = rope(rms((n @ w["attn_k"].T).reshape(len(n), kv, d), m.eps) * w["attn_k_norm"], pos, n_rot, base)
    v = (n @ w["attn_v"].T).reshape(len(n), kv, d)
    of = np.arange(heads) // (heads // kv)
    score = np.einsum("qhd,khd->hqk", q, k[:, of]) / np.sqrt(d)
    p = softmax(np.where(seen(m, w, n, ratio)[None], score, -np.inf))
    o = np.einsum("hqk,khd->qhd", p, v[:, of]) * sigmoid(both[:, :, 1])
    return o.reshape(len(n), -1) @ w["attn_output"].T


def feed_forward(w, n, end=""):
    return (silu(n @ w["ffn_gate" + end].T) * (n @ w["ffn_up" + end].T)) @ w["ffn_down" + end].T


def experts(m, w, n):
    used = m.get("expert_used_count")
    p = softmax(n @ w["ffn_gate_inp"].T)
    y = np.zeros_like(n)
    for t in range(len(n)):
        order = np.argsort(-p[t], kind="stable")
        m.gap = min(m.gap, (p[t][order[used - 1]] - p[t][order[used]]) / p[t][order[used - 1]])
        for e in order[:used]:
            if "ffn_gate_up_exps" in w:
                g, u = np.split(w["ffn_gate_up_exps"][e] @ n[t], 2)
            else:
                g, u = w["ffn_gate_exps"][e] @ n[t], w["ffn_up_exps"][e] @ n[t]
            y[t] += p[t][e] / p[t][order[:used]].sum() * (w["ffn_down_exps"][e] @ (silu(g) * u))
    return y + feed_forward(w, n, "_shexp") * sigmoid(n @ w["ffn_gate_inp_shexp"])[:, None]


# ---------------------------------------------------------------- streams [tokens][streams][d], n-grams
def normed(m, x, weight):
    return rms(x, m.eps) * weight.reshape(x.shape[1:])


def mix(m, w, stem, x):
    """the input of a block, and the weights of its output (None: there is no inject)"""
    streams = x.shape[1]
    n = normed(m, x, w[stem + "norm"])
    flat = n.reshape(len(x), -1)
    gate = sigmoid(silu(flat @ w[stem + "down"].T / streams) @ w[stem + "up"].T).reshape(x.shape)
    out = 2 * sigmoid(flat @ w[stem + "inject"].T / streams) if stem + "inject" in w else None
    return (gate * n).mean(1), out


def ngram_ids(m, ids):
    """[tokens][heads]: rows of the table"""
    size, per = m.get("ple.ngram_size"), m.get("ple.heads_per_ngram")
    eos, times = m.get("ple.eos_token_id"), m.get("ple.layer_multipliers")
    offset, rows = m.get("ple.head_offsets"), m.get("ple.head_vocab_sizes")
    out = []
    for p in range(len(ids)):
        back, ended = [int(ids[p])], False
        for i in range(1, size):
            ended = ended or p - i < 0 or ids[p - i] == eos
            back.append(eos if ended else int(ids[p - i]))
        row = []
        for n in range(2, size + 1):
            h = 0
            for i in range(n):
                h ^= back[i] * times[i] % (1 << 64)
            row += [h % rows[j] + offset[j] for j in range((n - 2) * per, (n - 1) * per)]
        out.append(row)
    return np.array(out)


def ngrams(m, w, x, ids):
    """what the n-grams add to the streams"""
    tokens, streams, d = x.shape
    e = m.t["per_layer_token_embd.weight"][ngram_ids(m, ids)].reshape(tokens, -1)
    key = normed(m, (e @ w["ple_key"].T).reshape(x.shape), w["ple_norm_key"])
    s = (key * normed(m, x, w["ple_norm_query"])).sum(-1) / np.sqrt(d)
    gate = sigmoid(np.sign(s) * np.sqrt(np.maximum(np.abs(s), 1e-6)))
    v = gate[:, :, None] * (e @ w["ple_value"].T)[:, None, :]
    c = normed(m, v, w["ple_norm_conv"]).reshape(tokens, -1)
    return v + silu(causal_conv(c, w["ple_conv1d"], m.get("ple.ngram_size"))).reshape(x.shape)


# ---------------------------------------------------------------- models
def recurrent(m, l):
    by_layer = m.get("attention.recurrent_layers")
    return by_layer[l] if by_layer else (l + 1) % m.get("full_attention_interval", 4) != 0


def qwen35(m, ids):
    x = m.t["token_embd.weight"][ids]
    for l in range(m.get("block_count")):
        w = m.layer(l)
        n = rms(x, m.eps) * w["attn_norm"]
        x = x + (delta_net(m, w, n) if recurrent(m, l) else attention(m, w, n, 0))
        n = rms(x, m.eps) * w["post_attention_norm"]
        x = x + (experts(m, w, n) if m.get("expert_count") else feed_forward(w, n))
    return (rms(x, m.eps) * m.t["output_norm.weight"]) @ m.t.get("output.weight", m.t["token_embd.weight"]).T


def qwen4exp_layer(m, l, x, attends, ratio, ids=None):
    """ids: of a layer with n-grams"""
    w = m.layer(l)
    if l in m.get("ple.layers", []):
        x = x + ngrams(m, w, x, ids)
    u, out = mix(m, w, "hc_attn_", x)
    x = x + out[:, :, None] * (attention(m, w, u, ratio) if attends else delta_net(m, w, u))[:, None, :]
    u, out = mix(m, w, "hc_ffn_", x)
    return x + out[:, :, None] * experts(m, w, u)[:, None, :]


def qwen4exp_end(m, x):
    ends = {k.replace(".weight", ""): v for k, v in m.t.items() if k.startswith("output_hc_")}
    return mix(m, ends, "output_hc_", x)[0]


def qwen4exp_rows(m, ids):
    """the streams behind the last layer, and those of each row as one"""
    x = np.repeat(m.t["token_embd.weight"][ids][:, None, :], m.get("hyper_connection.count"), 1)
    for l in range(m.get("block_count") - m.get("nextn_predict_layers", 0)):
        x = qwen4exp_layer(m, l, x, not recurrent(m, l), m.get("attention.compress_ratios")[l], ids)
    return x, qwen4exp_end(m, x)


def qwen4exp_predicted(m, l, x):
    x, w = qwen4exp_layer(m, l, x, True, 0), m.layer(l)
    return x, mix(m, w, "nextn.hc_head_", x)[0] if "nextn.hc_head_norm" in w else qwen4exp_end(m, x)


def qwen4exp(m, ids):
    return qwen4exp_rows(m, ids)[1] @ m.t.get("output.weight", m.t["token_embd.weight"]).T


def logits(m, ids):
    m.eps, m.gap = m.get("attention.layer_norm_rms_epsilon", m.get("attention.layer_norm_epsilon")), 1.0
    own = {"qwen35": qwen35, "qwen35moe": qwen35, "qwen4exp": qwen4exp}
    return {**own, **f64_decoders.ARCHS, **f64_families.ARCHS, **f64_streams.ARCHS, **f64_deepseek41.ARCHS}[m.arch](m, np.asarray(ids))


# ---------------------------------------------------------------- references
def error(x, ref):
    return (np.abs(x - ref).max(1) / np.abs(ref).max(1)).max()


def prompt(name, n, n_vocab):
    """ids with an eos in the middle, two beside each other, and n-grams that come again: in the open, and behind an eos"""
    rng, eos = G.seed_of(1, name + "/prompt"), n_vocab - 1
    ids = rng.integers(0, 256, n)
    ids[9] = ids[26] = ids[27] = eos
    ids[20:25] = ids[3:8]
    ids[28:31] = ids[10:13]
    ids[40:44] = ids[22:26]
    if n > 200:
        ids[254] = eos
        ids[256:261] = ids[40:45]
    return ids


def is_table(name):
    return "tid2eid" in name


def perturbed(m, change):
    """a copy whose weights change(name, values) returned; tables of experts stay"""
    other = Model.__new__(Model)
    other.arch, other.key = m.arch, m.key
    other.t = {k: v if is_table(k) else change(k, v) for k, v in m.t.items()}
    return other


def noise_of(m, ids, ref, draws=8):
    """the largest error of some draws in which every weight moves by one unit in the last place"""
    worst = 0.0
    for draw in range(draws):
        rng = G.seed_of(draw, "noise")
        other = perturbed(m, lambda k, v: np.nextafter(v.astype(np.float32), np.where(rng.random(v.shape) < 0.5, -np.inf, np.inf).astype(
            np.float32)).astype(np.float64))
        worst = max(worst, error(logits(other, ids), ref))
    return worst


def kind_of(name):
    return ".".join(x for x in name.split(".") if not x.isdigit())


def sensitivity(m, ids, ref):
    """the smallest error when all tensors of one kind are 1.2 times as large, and which kind; where a factor has no influence, because what
    it gives is normed next or only chosen by, and in tables, rows are shifted by one"""
    shifted = ("per_layer_token_embd", "indexer", "ple_key", "ple_value", "attn_q.", "attn_k.", "attn_q_a.", "attn_kv_a_mqa", "attn_compressor_kv", "attn_kv.", "exp_probs_b", "engram_embd")
    last = m.get("block_count") - m.get("nextn_predict_layers", 0)
    live = [k for k in m.t if not is_table(k) and not (k.startswith("blk.") and int(k.split(".")[1]) >= last)]
    result = []
    for kind in sorted(set(map(kind_of, live))):
        how = (lambda v: np.roll(v, 1, 0)) if any(x in kind for x in shifted) else (lambda v: 1.2 * v)
        other = perturbed(m, lambda k, v: how(v) if kind_of(k) == kind and k in live else v)
        result.append((error(logits(other, ids), ref), kind))
    return min(result)


def make(folder, name):
    spec = dict(mkgolden.SPECS[name], name=name)
    path = os.path.join(folder, name + ".gguf")
    size = mkgolden.build(spec).write(path)
    m = Model(path)
    ids = prompt(name, spec["tokens"], spec["cfg"]["V"])
    ref = logits(m, ids)
    gap = m.gap
    more, margin = list(ids), 1.0
    for _ in range(GREEDY):
        last = logits(m, more)[-1]
        order = np.argsort(-last)
        margin = min(margin, (last[order[0]] - last[order[1]]) / np.abs(last).max())
        more.append(int(order[0]))
    noise, (least, kind) = noise_of(m, ids, ref), sensitivity(m, ids, ref)
    write_ref(os.path.join(folder, name + ".ref"), ids, ref)
    sys.stderr.write("%s: least sensitive: %s\n" % (name, kind))
    print(json.dumps({
        "name": name, "arch": spec["arch"], "features": spec["features"] + "; the reference is an f64 implementation",
        "n_params": sum(v.size for v in m.t.values()), "n_tokens": len(ids), "n_vocab": ref.shape[1], "bytes": size, "types": ["f32"],
        "noise": {"weights_1ulp": float("%.3g" % noise), "choice_gap": float("%.3g" % gap)},
        "tolerance": max(1e-5, float("%.2g" % (3 * noise))), "logit_sd": round(float(ref.std()), 3),
        "sd_over_positions": round(float(ref.std(0).mean()), 3), "min_sensitivity": float("%.2g" % least),
        "greedy": [int(x) for x in more[len(ids):]], "greedy_margin": round(float(margin), 5)}))


def make_real(folder, name, options):
    """a few tokens of a model of real widths; noise of one draw, and of none where there are very many weights"""
    path = os.path.join(folder, name + ".gguf")
    subprocess.run([sys.executable, "-B", os.path.join(os.path.dirname(__file__), "mkgguf.py")] + options.split() + [path], check=True)
    with open(path, "rb") as f:
        digest = hashlib.file_digest(f, "sha256").hexdigest()
    m = Model(path)
    ids = G.seed_of(3, name + "/real").integers(0, 256, REAL_TOKENS)
    ref = logits(m, ids)
    gap, n_params = m.gap, sum(v.size for v in m.t.values())
    noise = noise_of(m, ids, ref, 1) if n_params < NOISE_MOST else 0.0
    write_ref(os.path.join(folder, name + ".ref"), ids, ref)
    print(json.dumps({
        "name": name, "options": "--exact", "mkgguf": options, "gguf_bytes": os.path.getsize(path), "gguf_sha256": digest,
        "n_params": n_params, "types": ["f32", "q8_0"], **({"noise": float("%.3g" % noise)} if noise else {}),
        "choice_gap": float("%.3g" % gap), "tolerance": max(1e-5, float("%.2g" % (3 * noise))), "logit_sd": round(float(ref.std()), 4)}))
    sys.stdout.flush()


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = ap.add_mutually_exclusive_group(required=True)
    what.add_argument("--check", metavar="DIR")
    what.add_argument("--make", metavar="DIR")
    what.add_argument("--real", metavar="DIR")
    ap.add_argument("names", nargs="+")
    a = ap.parse_args()
    for name in a.names:
        if a.make:
            make(a.make, name)
            continue
        if a.real:
            make_real(a.real, *name.split("=", 1))
            continue
        ids, ref = read_ref(os.path.join(a.check, name + ".ref"))
        m = Model(os.path.join(a.check, name + ".gguf"))
        print("%-20s largest error %.2g" % (name, error(logits(m, ids), ref.astype(np.float64))))


if __name__ == "__main__":
    main()
