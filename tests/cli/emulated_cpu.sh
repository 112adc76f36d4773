# CPUs that this machine is not, emulated by qemu: each runs the kernels of its own tier alone, and writes the same text with the
# same log-probabilities.
. tests/cli/harness

if ! command -v qemu-x86_64 >/dev/null || [ "$(uname -m)" != x86_64 ]; then
    skip "other x86-64 CPUs" "needs an x86-64 machine with qemu-x86_64 (Debian: qemu-user)"
    done_testing
    exit
fi

program=$stoker
if grep -q __asan_init "$program"; then
    skip "other x86-64 CPUs" "AddressSanitizer maps more address space than the emulator can give"
    done_testing
    exit
fi

answer() { # answer WHAT: $dir/text, the answer and the log-probability of each token
    run run -p "Tell me a story" -n 24 --temp 0 --json --logprobs 2
    is "$1" 0 '"text":"[A-Z]' ""
    repeatable >"$dir/text"
}

answer "this CPU"
mv "$dir/text" "$dir/same"
run check "$ember" --json
repeatable >"$dir/hashes"
for cpu in Haswell:avx2 Nehalem:scalar; do
    printf '#!/bin/sh\nexec qemu-x86_64 -cpu %s "%s" "$@" 2>%s\n' "${cpu%:*}" "$program" "$dir/emulator" >"$dir/emulated"
    chmod +x "$dir/emulated"
    stoker=$dir/emulated
    answer "${cpu%:*}"
    cmp -s "$dir/same" "$dir/text" && pass || fail "${cpu%:*}" "another text, or other log-probabilities"
    run check "$ember" --json
    repeatable >"$dir/text"
    cmp -s "$dir/hashes" "$dir/text" && pass || fail "${cpu%:*}" "other hashes of the model"
    run bench "$ember" -p 2 -n 2 -r 1 --no-roofs --no-warmup -o json
    is "${cpu%:*}: its tier" 0 "\"backends\":\"${cpu#*:}\"" ""
done
done_testing
