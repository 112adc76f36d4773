# How often layers choose each expert: counts of an independent engine, the same under every setting, recorded routes, two sources compared,
# what is refused.
. tests/cli/harness

v=$data/steering/ember
for side in positive negative; do sed 's/.*/"&"/' "$v/$side.txt" >"$dir/$side.jsonl"; done
cat "$dir/positive.jsonl" "$dir/negative.jsonl" >"$dir/both.jsonl"
try="routes $ember --exact --text $dir/both.jsonl"

# ---- texts -----------------------------------------------------------------------------------------------------------------------
run $try --csv
is "as CSV" 0 '^layer,expert,count,share,weight$' ""
cp "$dir/out" "$dir/truth"
tr -d ' \n' <"$v/routes.json" | sed 's/.*"counts":\[\[//; s/\]\].*//; s/\],\[/\n/g' |
    awk -F, '{for (i = 1; i <= NF; i++) print NR - 1, i - 1, $i}' >"$dir/counts"
[ "$(wc -l <"$dir/counts")" = 96 ] && pass || fail "the counts to compare with" "are not there"
awk -F, 'NR > 1 {print $1, $2, $3}' "$dir/truth" | paste -d ' ' - "$dir/counts" |
    awk '$1 != $4 || $2 != $5 {exit 1} {d = $3 - $6; off[$1] += d < 0 ? -d : d; all[$1] += $3}
         END {for (l in off) if (off[l] > 2 || all[l] != 479 * 2) exit 1; exit length(off) != 6}' &&
    pass || fail "counts of an independent engine" "others"
awk -F, 'NR > 1 && $3 && !($5 > 0 && $5 <= 1) {exit 1} NR > 1 {w[$1] += $3 * $5} END {for (l in w) if (w[l] < 478.9 || w[l] > 479.1) exit 1}' "$dir/truth" &&
    pass || fail "mean weights" "a row's are not 1 together"
for how in "--cpu-tier scalar" "--threads 1" "--chunk 7" "--memory min" "--parallel 3"; do
    run $try --csv $how
    cmp -s "$dir/out" "$dir/truth" && pass || fail "the same with $how" "$(diff "$dir/out" "$dir/truth" | head -3)"
done
run $try
is "a table" 0 '^layer 5: 479 rows, 2 of 16 experts each, entropy 3\.[0-9]{3} of 4\.000 bits, never used: 7$' ""
is "its lines" 0 '^ {5}0 +[0-9]+ +[0-9.]+% +0\.[0-9]{5}$' ""
run $try --json
is "as JSON" 0 '^\{"layer":5,"experts":16,"experts_used":2,"rows":479,"uses":958,"entropy":3\.[0-9]+,"never":\[7\],"count":\[[0-9,]+\],"weight":\[[0-9.,]+,null,[0-9.,]+\]\}$' ""
run $try --max-tokens 100 --window 30 --json
is "the first tokens" 0 '^\{"layer":0,.*"rows":100,' ""
run $try --csv --steer '[{"experts":"exclude","list":[[2,1],[4,1]]}]'
grep -q '^2,1,0,0,$' "$dir/out" && grep -q '^4,1,0,0,$' "$dir/out" && ! grep -q '^0,1,0,' "$dir/out" &&
    pass || fail "excluded experts" "$(grep '^[024],1,' "$dir/out")"

# ---- two texts -------------------------------------------------------------------------------------------------------------------
run routes "$ember" --exact --text "$dir/positive.jsonl" --against "$dir/negative.jsonl" --csv
is "two texts" 0 '^layer,expert,count,share,weight,against_count,against_share,against_weight,difference$' ""
awk -F, 'NR > 1 {print $1 "," $2 "," $3 + $6}' "$dir/out" >"$dir/sums"
awk -F, 'NR > 1 {print $1 "," $2 "," $3}' "$dir/truth" | cmp -s - "$dir/sums" && pass || fail "two texts" "are not both together"
run routes "$ember" -p 'Tell me a story' --against "$dir/negative.jsonl" --json
is "a prompt against a text" 0 '^\{"layer":0,.*,"against":\{"rows":[0-9]+,.*\},"difference":\[-?[0-9.e-]+,' ""
run routes "$ember" --text "$dir/negative.jsonl" --against "$dir/negative.jsonl"
is "itself" 0 '^ +[0-9]+ +([0-9]+ +[0-9.]+% +[0-9.]+ +){2}\+0\.00$' ""

# Texts are a part of the plan, with all that reading them takes, and take half of --memory at most.
least() { "$stoker" routes "$ember" "$@" --memory 30M 2>&1 | sed -n 's/.*Try --memory \([0-9]*\)MiB.*/\1/p'; } # in MiB
awk 'BEGIN { for (i = 0; i < 1000000; i++) printf "a " }' >"$dir/long"
short=$(least --text "$dir/negative.jsonl")
for how in "--text $dir/long" "--text $dir/negative.jsonl --against $dir/long" "-p x --against $dir/long"; do
    [ "$(least $how)" -ge $((short + 5)) ] && pass || fail "$how in the plan" "$short and $(least $how) MiB"
done
[ "$(least --text "$dir/long" --against "$dir/long")" -ge $((short + 9)) ] && pass || fail "two texts in the plan" "$short, $(least --text "$dir/long" --against "$dir/long")"
run routes "$ember" --text "$dir/negative.jsonl" --against "$dir/long" --memory 8M
is "texts above half of --memory" 1 "" '^stoker routes: .*/long: reading it takes more than half of --memory: give more memory, or a text in parts$'

# ---- recorded routes -------------------------------------------------------------------------------------------------------------
run routes "$ember" -p 'Tell me a story' --chat --csv --route-trace "$dir/story.strt"
cut -d, -f1-4 "$dir/out" >"$dir/told"
run routes "$ember" --trace "$dir/story.strt" --csv
is "a trace has no weights" 0 '^0,0,[0-9]+,[0-9.]+,$' ""
cut -d, -f1-4 "$dir/out" | cmp -s - "$dir/told" && pass || fail "a run's trace" "has other counts than the run"
trace() { # trace FILE LAYERS N_EXPERT IDS (octal, one a layer of a step)
    head="{\"layers\":$2,\"n_expert\":$3,\"k\":1,\"id_bytes\":1,\"comp\":\"raw\",\"n_prompt\":0,\"n_step\":4}"
    printf 'STRT1\n%b%s%b' "$(printf '\\0%03o\\0000\\0000\\0000' ${#head})" "$head" "$4" >"$1"
}
trace "$dir/a" '[3,4]' 4 '\0000\0000\0001\0000\0002\0000\0003\0000'
trace "$dir/b" '[3,4]' 4 '\0000\0001\0001\0001\0002\0002\0003\0377'
run routes --trace "$dir/a"
is "as even as can be" 0 '^layer 0: 4 rows, 1 of 4 experts each, entropy 2\.000 of 2\.000 bits, never used: none$' ""
is "one expert" 0 '^layer 1: 4 rows, 1 of 4 experts each, entropy 0\.000 of 2\.000 bits, never used: 1,2,3$' ""
is "no weight" 0 '^ +0 +4 100\.000% +-$' ""
run routes --trace "$dir/a" --against "$dir/b" --csv
is "no difference" 0 '^0,3,1,0\.25,,1,0\.25,,0$' ""
is "of all and none" 0 '^1,0,4,1,,0,0,,-2\.82842712$' ""
is "of rows, not of uses" 0 '^1,1,0,0,,2,0\.666666667,,1\.63299316$' ""
run routes "$golden/deepseek2-v3.gguf" --trace "$dir/story.strt"
is "a trace of another model" 2 "" '^stoker routes: .*story.strt: 6 layers of 16 experts; .*deepseek2-v3.gguf has [0-9]+ layers of 12 experts$'
run routes "$ember" -p x --against "$dir/a"
is "a text against such a trace" 2 "" '^stoker routes: .*/a: 2 layers of 4 experts; '
trace "$dir/c" '[3]' 4 '\0000\0001\0001\0001'
run routes --trace "$dir/a" --against "$dir/c"
is "traces of other layers" 2 "" '^stoker routes: .*/c: 1 layers of 4 experts; .*/a has 2 layers of 4 experts$'

# ---- what is refused -------------------------------------------------------------------------------------------------------------
run routes "$ember"
is "no source" 2 "" '^stoker routes: one source is needed'
run routes "$ember" -p x --trace "$dir/a"
is "two sources" 2 "" '^stoker routes: one source is needed'
run routes "$ember" -p x --json --csv
is "two forms" 2 "" '^stoker routes: --json or --csv'
run routes "$ember" --text "$dir/a" --chat
is "a chat of a file" 2 "" '^stoker routes: --chat is of -p'
run routes "$golden/llama-tied.gguf" -p x
is "a dense model" 2 "" 'llama-tied.gguf has no experts$'
run routes --trace "$v/ablate.gguf"
is "no trace" 1 "" '^stoker routes: .*ablate.gguf is not a trace of routes: it does not begin with STRT1$'
run routes --trace "$dir/absent"
is "no file" 1 "" '^stoker routes: .*absent: cannot be opened: No such file'
run routes "$ember" --text "$dir/absent"
is "no text" 1 "" '^stoker routes: .*absent'
printf '7\n' >"$dir/n.jsonl"
run routes "$ember" --text "$dir/n.jsonl"
is "no text on a line" 2 "" '^stoker routes: --text .*: line 1 is neither'
done_testing
