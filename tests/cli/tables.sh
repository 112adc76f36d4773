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
# Two tables of n-grams, whose rows the text decides.
"$make" --make deepseek41 "$dir/ngrams.gguf" >"$dir/out" || fail make "no model"
for flags in "" "--reader threads --reader-depth 1" "--reader buffered"; do
    run run "$dir/ngrams.gguf" --memory min -p 'a b c' -n 8 --temp 0 --stats $flags
    for counts in "1.engram_embd.weight: wanted 72, unique 67, cached 5, reads 21, " "3.engram_embd.weight: wanted 72, unique 71, cached 4, reads 24, "; do
        is "stats of n-grams ${flags:-by default}" 0 "^" "^rows of blk.$counts[0-9.]+ KiB, waited [0-9.e-]+ ms \\([0-8] of 8 times\\)$"
    done
done

run run "$dir/model.gguf" --memory max -p 'a b c' -n 8 --temp 0 --stats
! grep -q 'rows of' "$dir/err" && pass || fail "all resident" "a table on disk"
run bench "$dir/model.gguf" --memory min -p 24 -n 0 -r 1 --no-roofs --no-warmup -o json
is "bench" 0 '"tables": ?\[\{"name": ?"per_layer_token_embd.weight", ?"wanted": ?24,' ""
done_testing
