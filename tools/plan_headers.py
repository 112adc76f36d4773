#!/usr/bin/env python3
"""Headers of published shapes, and what a plan must say of them: tests/data/headers.tar.xz, for build/tests/plan_models.

  plan_headers.py DIR      writes DIR/NAME.gguf (keys and tensors in q8_0, no data, no vocabulary) and DIR/INDEX.json

Every figure is the formula of docs/spec/memory.md 6 with the numbers of the shape (SHAPES of mkgguf.py): what layers keep is counted here by
hand, from docs/spec/architectures.md, and not read out of the tensors that archs.py writes.
"""
import json
import os
import sys
from types import SimpleNamespace
import mkgguf

PAGE, CHUNK, B = 256, 512, 2    # positions of a page, rows of a step, bytes of a value (f16)
CONTEXTS = (1024, 4096, 32768, 131072)


def q8_0(n):
    return n // 32 * 34


def heads(c, l=None):
    """bytes of a position's keys and values in one layer"""
    kv = c["K"] if l is None else c["K"][l]
    return kv * 2 * (c.get("hd") or c["d"] // c["H"]) * B


def latents(c):
    return (c["kvlora"] + c["rot"]) * B


def kda(c):
    """floats of a layer's state"""
    return c["H"] * c["kda"] ** 2 + 3 * (c.get("conv", 4) - 1) * c["H"] * c["kda"]


def mamba2(c):
    channels = c["ssm_inner"] + 2 * c["ssm_groups"] * c["ssm_state"]
    return c["ssm_inner"] * c["ssm_state"] + (c.get("conv", 4) - 1) * channels


def delta_net(c):
    d, keys, values = c["ssm_state"], c["ssm_groups"], c["ssm_rank"]
    return values * d * d + (c.get("conv", 4) - 1) * (2 * keys + values) * d


# What a sequence keeps: bytes a position of layers that see all; [(window, bytes a position)] of the others; floats of states.
def keeps_qwen35moe(c):
    return 10 * heads(c), [], 30 * delta_net(c)


def keeps_qwen35(c):
    return 16 * heads(c), [], 48 * delta_net(c)


def keeps_gptoss(c):
    return 12 * heads(c), [(128, 12 * heads(c))], 0


def keeps_deepseek2_lite(c):
    return 27 * latents(c), [], 0


def keeps_nemotron(c):
    return 6 * heads(c), [], 23 * mamba2(c)


def keeps_llama4(c):
    return 12 * heads(c), [(8192, 36 * heads(c))], 0    # every fourth of 48 sees all


def keeps_lfm2moe(c):
    return 6 * heads(c, 2), [], 18 * (3 - 1) * c["d"]


def keeps_granitehybrid(c):
    return 4 * heads(c, 5), [], 36 * mamba2(c)


def keeps_all(c):
    return c["L"] * heads(c), [], 0


def keeps_step35(c):
    return 12 * heads(c, 0), [(512, 33 * heads(c, 1))], 0


def keeps_qwen4exp(c):
    n_index = 12
    index = c["ihd"] * B // c["ratio"]
    open_blocks = n_index * c["ratio"] * c["ihd"]
    ngrams = (c["ngram_conv"] - 1) * c["ngram"] * c["hc"] * c["d"]
    return 12 * heads(c) + n_index * index, [], 36 * delta_net(c) + open_blocks + ngrams + c["ngram"] - 1


def keeps_cohere2moe(c):
    return 13 * heads(c), [(4096, 36 * heads(c))], 0    # layers 0, 4, ... 48 see all


def keeps_bailingmoe3(c):
    return 6 * latents(c), [], 18 * kda(c)


def keeps_glm5next(c):
    pools = 2 * c["kpool"] * c["ihd"]           # keys and gates of the open one
    return 11 * (latents(c) + c["ihd"] * B // c["kpool"]), [], 34 * kda(c) + 11 * pools


def keeps_minimax(c):
    return 60 * heads(c) + 57 * c["ihd"] * B, [], 0


def keeps_deepseek41(c):
    row = (c["hd"] + c["ihd"]) * B              # of a latent and its index key: three sources of two positions, one of each
    return 3 * row // 2 + row, [(128, 40 * c["hd"] * B)], 3 * 2 * 2 * c["hd"] + c["ngram"] - 1


# shape: what it keeps, layers with experts, {table: (values of a row, rows a token)}
SHAPES = {
    "qwen35moe-35b-a3b": (keeps_qwen35moe, 40, {}),
    "gpt-oss-20b": (keeps_gptoss, 24, {}),
    "deepseek2-lite": (keeps_deepseek2_lite, 26, {}),
    "glm4moe-106b-a12b": (keeps_all, 45, {}),
    "nemotron_h_moe-30b": (keeps_nemotron, 23, {}),
    "qwen35-27b": (keeps_qwen35, 0, {}),
    "llama4-17b-16e": (keeps_llama4, 48, {}),
    "lfm2moe-8b-a1b": (keeps_lfm2moe, 22, {}),
    "granitehybrid-32b-a9b": (keeps_granitehybrid, 40, {}),
    "ernie4_5-moe-21b-a3b": (keeps_all, 27, {}),
    "step35-196b-a11b": (keeps_step35, 42, {}),
    "mistral3-14b": (keeps_all, 0, {}),
    "smollm3-3b": (keeps_all, 0, {}),
    "qwen4exp-125b-a6b": (keeps_qwen4exp, 48, {"per_layer_token_embd.weight": (160, 16)}),
    "cohere2moe-30b-a3b": (keeps_cohere2moe, 48, {}),
    "bailingmoe3-8b-a1b": (keeps_bailingmoe3, 23, {}),
    "glm5next-320b-a17b": (keeps_glm5next, 42, {}),
    "minimax-m3-428b-a23b": (keeps_minimax, 57, {}),
    "deepseek41-763b": (keeps_deepseek41, 40, {"blk.1.engram_embd.weight": (256, 24), "blk.14.engram_embd.weight": (256, 24)}),
}


def shape(name):
    return mkgguf.ALIASES.get(name, name)


def pages(n_ctx, window=None):
    whole = -(-n_ctx // PAGE)
    return whole if window is None or window >= n_ctx else min(whole, -(-(window + CHUNK - 1) // PAGE) + 1)


def expected(name):
    arch, _, c = mkgguf.SHAPES[shape(name)]
    keeps, n_moe, tables = SHAPES[name]
    a_position, windows, floats = keeps(c)
    kv = {str(n): PAGE * (pages(n) * a_position + sum(pages(n, w) * x for w, x in windows)) for n in CONTEXTS}
    want = {"kv_bytes_per_token": a_position, "kv_fixed_bytes": sum(PAGE * pages(1 << 30, w) * x for w, x in windows),
            "state_bytes_per_sequence": 4 * floats, "kv_bytes": kv}
    if n_moe:
        width = c.get("ffe") or c["ff"]
        n_in = 1 if arch == "nemotron_h_moe" else 2     # without a gate
        expert = n_in * width * q8_0(c["d"]) + c["d"] * q8_0(width)
        want.update(expert_bytes=expert, bank_bytes=n_moe * c["E"] * expert, token_cycle_bytes=n_moe * c["top"] * expert)
    want["tables"] = {"token_embd.weight": [q8_0(c["d"]), 1], **{t: [q8_0(n), take] for t, (n, take) in tables.items()}}
    return want


def header(name, path):
    # a map of tokens is the one key that grows with the vocabulary
    vocab = 1024 if "engrams" in mkgguf.SHAPES[shape(name)][2] else None
    a = SimpleNamespace(type="q8_0", layers=None, experts=None, vocab=vocab, rows=None, first=0, tokenizer=None, align=32, seed=1, pool_mib=1, skew=0.25,
                        list=True, nextn=0)
    w, b = mkgguf.make(shape(name), a)
    w.write_header(path)
    return b.arch


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    folder, rows = sys.argv[1], []
    os.makedirs(folder, exist_ok=True)
    for name in SHAPES:
        arch = header(name, os.path.join(folder, name + ".gguf"))
        rows.append(json.dumps({"name": name, "arch": arch, "header": name + ".gguf", "expect": expected(name)}))
    with open(os.path.join(folder, "INDEX.json"), "w") as f:
        f.write('{"models": [\n' + ",\n".join(rows) + "\n]}\n")


if __name__ == "__main__":
    main()
