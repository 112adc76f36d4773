#!/bin/sh
# Golden models with real dimensions: each is written on demand (100 to 700 MB), compared, removed.
#
#   sh tests/golden_real.sh [OPTION...]     options go to build/tests/golden: --exact, --memory min, --cpu-tier T ...
#
# Models that no other engine has computed are compared with exact weights alone ("options" of the list; tools/golden_f64.py).
# The list and the references are test data (real.tar.xz); the generator, tools/mkgguf.py, needs python3 with numpy. A model
# whose SHA-256 is not the one of the list is skipped: other versions of numpy draw other numbers. Not part of make check.
set -u
cd "$(dirname "$0")/.." || exit 1
golden=${BUILD:-build}/tests/golden
real=${BUILD:-build}/data/real
list=$real/INDEX.json

# Shapes of the architectures that src/model/ has; a new architecture adds its own here.
shapes='llama-* qwen3-* qwen3vl-* qwen35moe-* qwen4exp-* gpt-oss-* deepseek2-* glm4moe-* glm5next-* nemotron-* cohere2moe-* bailingmoe2-* bailingmoe3-*
    llama4-* mistral3-* mistral4-* smollm3-* granitemoe-* granitehybrid-* lfm2moe-* ernie4_5-* hunyuan-* step35-* mimo2-* exaone-moe-* afmoe-* dots1-*
    minimax-m3-*'

nothing() {
    echo "$1"
    echo "0 passed, 0 failed, 1 skipped"
    exit 0
}
[ -e "$list" ] || nothing "$list is absent; run: make $golden"
[ -x "$golden" ] || { echo "$golden is not built; run: make $golden" && exit 1; }
for python in python3 /usr/bin/python3 ''; do
    [ -n "$python" ] || nothing "no python3 with numpy here (Debian: apt install python3-numpy), which writes these models"
    "$python" -c 'import numpy' 2>/dev/null && break
done

dir=$(mktemp -d "${TMPDIR:-/tmp}/golden-real.XXXXXX") || exit 1
trap 'rm -rf "$dir"' EXIT
trap 'exit 1' INT TERM
cp "$list" "$dir/INDEX.json"

wanted() { # wanted NAME: matches a pattern of $shapes
    for pattern in $shapes; do
        case $1 in $pattern) return 0 ;; esac
    done
    return 1
}

# One model is one line of the list: field NAME of a line that names strings as "NAME": "VALUE"
field() { echo "$line" | sed -n "s/.*\"$1\": \"\([^\"]*\)\".*/\1/p"; }

passed=0 failed=0 skipped=0
while read -r line; do
    name=$(field name)
    [ -n "$name" ] && wanted "$name" || continue
    if ! "$python" -B tools/mkgguf.py $(field mkgguf) "$dir/$name.gguf" >"$dir/log" 2>&1; then
        cat "$dir/log"
        echo "$name: mkgguf.py failed"
        failed=$((failed + 1))
    elif ! echo "$(field gguf_sha256)  $dir/$name.gguf" | sha256sum -c --quiet >/dev/null 2>&1; then
        echo "$name: skipped, its SHA-256 is not that of $list"
        skipped=$((skipped + 1))
    else
        cp "$real/$name.ref" "$dir/$name.ref"
        "$golden" $(field options) "$@" "$dir/$name.gguf" >"$dir/log" 2>&1 </dev/null
        status=$?
        sed '$d' "$dir/log"
        result=$(sed -n '$s/^\([0-9]*\) passed, \([0-9]*\) failed, \([0-9]*\) skipped$/\1 \2 \3/p' "$dir/log")
        [ -n "$result" ] || { tail -n 1 "$dir/log" && result="0 1 0"; }
        read -r p f s <<END
$result
END
        [ $status -eq 0 ] || [ "$f" -gt 0 ] || f=1
        passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
    fi
    rm -f "$dir/$name.gguf" "$dir/$name.ref"
done <"$list"
for pattern in $shapes; do
    grep -q "\"name\": \"$(echo "$pattern" | sed 's/\*/.*/')\"" "$list" || { echo "$list has no model $pattern" && failed=$((failed + 1)); }
done
echo "$passed passed, $failed failed, $skipped skipped"
[ $failed -eq 0 ]
