# What a control vector does by scale and layer: the counts of an independent engine, no drift without steering, the same lines under every
# setting, what is refused.
. tests/cli/harness

v=$data/steering/ember
says='^I am a tiny demonstration model and I do not know'
sweep="steer sweep $ember --exact --kv f32 --chat --think off --ctx 128"
counts() { # counts WHAT WANT FLAG...: how many answers match, unsteered first
    about=$1 want=$2
    shift 2
    run $sweep --parallel 8 --json --match "$says" "$@"
    got=$(sed -n 's/.*"matches":\([0-9]*\).*/\1/p' "$dir/out" | tr '\n' ' ')
    [ "$got" = "$want " ] && pass || fail "$about" "$got are declined, not $want"
}

# ---- counts of an independent engine -------------------------------------------------------------------------------------------------
every="--vector $v/mean-last-raw.gguf --layers 3 --scales -2,-1.5,-1,1,1.5,2"
counts "in the field" "0 0 0 0 3 9 21" $every --prompts "$v/in_field.txt"
counts "outside" "16 0 1 8 16 16 15" $every --prompts "$v/out_of_field.txt"
counts "projected out, in the field" "0 0 0" --vector "$v/ablate.gguf" --layers 3,1-5 --scales 1 --prompts "$v/in_field.txt"
counts "projected out, outside" "16 16 8" --vector "$v/ablate.gguf" --layers 3,1-5 --scales 1 --prompts "$v/out_of_field.txt"

# ---- lines ---------------------------------------------------------------------------------------------------------------------------
head -n 4 "$v/in_field.txt" >"$dir/ask"
printf 'Zq\nand then\nblue 7\n' >"$dir/neutral" # what it says to these is not sure
few="--vector $v/mean-last-raw.gguf --scales 0,2 --layers 3,2-4 -n 8 --prompts $dir/ask --neutral $dir/neutral --match ^I"
run $sweep $few --json
is "unsteered" 0 '^\{"layers":null,"scale":null,"answers":4,"matches":0,"share":0,"changed":0,"drift":0,"drift_tokens":[1-9][0-9]*\}$' ""
is "scale 0" 0 '^\{"layers":\[2,4\],"scale":0,"answers":4,"matches":0,"share":0,"changed":0,"drift":0,"drift_tokens":[1-9][0-9]*\}$' ""
is "scale 2" 0 '^\{"layers":\[3,3\],"scale":2,"answers":4,"matches":[34],"share":(1|0\.75),"changed":(1|0\.[5-9][0-9]*),"drift":[0-9.]+,"drift_tokens":[1-9][0-9]*\}$' ""
[ "$(wc -l <"$dir/out")" -eq 5 ] && pass || fail "lines" "are not five"
cp "$dir/out" "$dir/truth"
for how in "--threads 1 --parallel 3" "--memory min --chunk 3"; do
    run $sweep $few --json $how
    cmp -s "$dir/out" "$dir/truth" && pass || fail "$how" "other lines"
done
run $sweep $few --json --cpu-tier scalar --layers 3
head -n 3 "$dir/truth" | cmp -s "$dir/out" - && pass || fail "--cpu-tier scalar" "other lines"
run $sweep $few
is "a table" 0 '^layers +scale +matches +changed +drift$' ""
is "a table" 0 '^- +- +0 of 4 +0\.000 +0\.0000$' ""
is "a table" 0 '^2-4 +0 +0 of 4 +0\.000 +0\.0000$' ""
run $sweep --vector "$v/ablate.gguf" --scales 1 --prompts "$dir/ask" -n 4
is "without a pattern" 0 '^all +1 +- +[0-9.]+ +-$' ""
run $sweep $few --json --seed 2
sed 's/,"drift.*//' "$dir/out" >"$dir/greedy"
sed 's/,"drift.*//' "$dir/truth" | cmp -s - "$dir/greedy" && ! cmp -s "$dir/out" "$dir/truth" && pass || fail "--seed" "is not that of --neutral alone"

# Scales that are too small are told, on stderr; those that stoker steer make names are not.
unit="--vector $v/mean-last.gguf --prompts $dir/ask -n 8"
run $sweep $unit
is "scales that do nothing" 0 '^all +2 +- +0\.000 +-$' 'steer sweep: no scale changed any answer; try larger scales, as in --scales -20,20 '
run $sweep $unit --scales 0
grep -q 'no scale' "$dir/err" && fail "scale 0 alone" "is called too small" || pass
run $sweep $unit --scales 24
is "the scale to begin with" 0 '^all +24 +- +(1\.000|0\.[2-9][0-9]*) +-$' ""
grep -q 'no scale' "$dir/err" && fail "a scale that does something" "is called too small" || pass
run $sweep $unit --json --scales 1000 --layers 3
grep -q 'no s' "$dir/err" && fail "the largest scale" "is said to change nothing" || pass

# ---- refused -------------------------------------------------------------------------------------------------------------------------
run $sweep --prompts "$dir/ask"
is "no vector" 2 "" '--vector: which control vector\?'
run $sweep --vector "$v/ablate.gguf"
is "no prompts" 2 "" '--prompts: which prompts are answered\?'
with="--vector $v/ablate.gguf --prompts $dir/ask"
for bad in 1,x 1001 nan '' 1,,2 1,2,; do
    run $sweep $with --scales "$bad"
    is "--scales $bad" 2 "" 'stoker steer sweep: --scales'
done
for bad in x 5-3 3,,4 3,x 3,; do
    run $sweep $with --layers "$bad"
    is "--layers $bad" 2 "" 'stoker steer sweep: --layers'
done
run $sweep $with --layers 0
is "a layer without a direction" 2 "" '--layers 0-0: the vector has no direction there'
run $sweep $with --layers 5-9
is "layers beyond the model" 2 "" '--layers 5-9: the model has layers 0 to 5'
run $sweep $with --match '(x'
is "no pattern" 2 "" '--match \(x: missing closing parenthesis at 2'
run $sweep $with --match '^(([a-zA-Z ]+)+)+[#!]$'
is "a pattern that takes for ever" 1 "" '--match: matching the answer to .*ask, line 1, takes too much'
run $sweep --vector "$data/steering/steer-llama-tied.a.gguf" --prompts "$dir/ask"
is "for another model" 2 "" 'it is for another model'
run steer sweep "$ember" $with --think on
is "--think without --chat" 2 "" '--think: is of --chat'
done_testing
