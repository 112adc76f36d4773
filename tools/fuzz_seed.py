#!/usr/bin/env python3
"""A seed for make fuzz-gguf: the header of a model, without its vocabulary.

  fuzz_seed.py MODEL.gguf tests/fuzz/gguf/NAME
"""
import sys
import ggufw as G


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    src, w = G.Reader(sys.argv[1]), G.Writer(32)
    names = {number: name for name, (number, *_) in G.TYPES.items()}
    for key, blob in src.kv.items():
        if not key.startswith("tokenizer."):
            w.raw(key, blob)
    for name, (dims, t, _) in src.tensors.items():
        w.tensor(name, dims, names[t], None)
    w.write_header(sys.argv[2])


if __name__ == "__main__":
    main()
