# What run --stats and bench tell of a table whose rows are read from disk.
. tests/cli/harness

make=${BUILD:-build}/tests/tables
if [ ! -x "$make" ]; then
    skip tables "$make is not built"
    done_testing
    exit
fi
"$make" --make gemma4 "$dir/model.gguf" >"$dir/out" || fail make "no model"

# The drive changes nothing of what is counted, but for the waiting.
counts='rows of per_layer_token_embd.weight: wanted 12, unique 11, cached 6, reads 3, '
for flags in "" "--reader threads --reader-depth 1" "--reader buffered"; do
    run run "$dir/model.gguf" --memory min -p 'a b c' -n 8 --temp 0 --stats $flags
    is "stats ${flags:-by default}" 0 "^" "^$counts[0-9.]+ KiB, waited [0-9.e-]+ ms \\([0-8] of 8 times\\)$"
done
run run "$dir/model.gguf" --memory max -p 'a b c' -n 8 --temp 0 --stats
! grep -q 'rows of' "$dir/err" && pass || fail "all resident" "a table on disk"
run bench "$dir/model.gguf" --memory min -p 24 -n 0 -r 1 --no-roofs --no-warmup -o json
is "bench" 0 '"tables": ?\[\{"name": ?"per_layer_token_embd.weight", ?"wanted": ?24,' ""
done_testing
