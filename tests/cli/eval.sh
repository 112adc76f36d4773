# Evaluations of the embedded model: the same output whatever computes it, after a kill too; texts and files that are refused.
. tests/cli/harness

text=$data/eval/eval.txt
ppl="eval ppl $ember -f $text --parse-special --ctx 128 --chunks 12"

# ---- log-probabilities ---------------------------------------------------------------------------------------------------
printf 'Say hello' >"$dir/hello"
run eval logprobs "$ember" -f "$dir/hello" --top 2
is "logprobs" 0 '^0	[0-9]+	"Say"	-	-$' ""
is "logprobs: a line a token" 0 '^1	[0-9]+	" hello"	-[0-9.]+	[0-9]+	".*" -[0-9.]+	".*" -[0-9.]+$' ""
is "logprobs: the sum" 0 '^n 1, sum (-[0-9.]+), mean \1, perplexity [0-9.]+$' ""
run eval logprobs -f "$dir/hello" --json
is "logprobs as JSON" 0 '^\{"id":[0-9]+,"piece":" hello","position":1,"logprob":-[0-9.]+,"rank":[0-9]+,"top":\[\]\}$' ""
echo '{"messages":[{"role":"user","content":"Hi"}]}' >"$dir/request"
run eval logprobs --chat "$dir/request" --from 2
is "logprobs of a chat" 0 '"\\n"' ""
[ "$(sed -n 1p "$dir/out" | cut -f 1)" = 2 ] && pass || fail "--from" "begins elsewhere"

run eval logprobs "$golden/phi3.gguf" -f "$dir/hello"
is "logprobs by short factors of rope" 0 '^n [0-9]+, sum' '^stoker eval: factors of rope are the short ones, of a context of [0-9]+; beyond 4096'
run eval logprobs "$golden/phi3.gguf" -f "$dir/hello" --ctx 4097
is "logprobs by long factors of rope" 0 '^n [0-9]+, sum' '^stoker eval: factors of rope are the long ones, of a context of 4097'

cp "$dir/request" "$dir/in"
run eval logprobs "$ember" --chat - --from 2
rm "$dir/in"
is "logprobs of a chat from stdin" 0 '"\\n"' ""
run eval logprobs "$ember" -f "$dir/hello" --from 2
is "--from behind the end" 2 "" "^stoker eval: $dir/hello has 2 tokens, none at --from 2$"
printf 'Say' >"$dir/say"
run eval logprobs "$ember" -f "$dir/say"
is "logprobs of one token" 0 '^n 0$' ""
run eval logprobs "$ember" -f "$dir/hello" --ctx 1
is "logprobs: a context too short" 2 "" "^stoker eval: $dir/hello has 2 tokens, the context 1: give a longer --ctx, or none$"

head -c 8000 "$text" >"$dir/trained"
run eval logprobs "$ember" -f "$dir/trained"
is "logprobs beyond the training" 0 '^n [0-9]+, sum' '^stoker: warning: .*ember.gguf was trained on 1024 positions, the context has [0-9]+: answers get worse behind that$'

# The same tokens in one context: chunk 0 of the perplexity is positions 129 to 255.
head -c 4000 "$text" >"$dir/text"
run eval logprobs "$ember" -f "$dir/text" --parse-special --json
sed -n 's/.*"position":\([0-9]*\),"logprob":\(-[0-9.e-]*\),.*/\1 \2/p' "$dir/out" |
    awk '$1 > 128 && $1 < 256 { n++; sum -= $2 } END { printf "%d %.9f\n", n, sum }' >"$dir/sum"
run eval ppl "$ember" -f "$dir/text" --parse-special --ctx 256 --chunks 1 --out "$dir/one"
sed -n 's/^{"chunk":0,"n":\([0-9]*\),"sum":\([0-9.]*\),.*/\1 \2/p' "$dir/one" | awk '{ printf "%d %.9f\n", $1, $2 }' >"$dir/chunk"
[ -s "$dir/sum" ] && cmp -s "$dir/sum" "$dir/chunk" && pass || fail "chunk 0" "$(cat "$dir/chunk") and not $(cat "$dir/sum")"

# ---- perplexity ----------------------------------------------------------------------------------------------------------
run $ppl
is "ppl" 0 '^Final estimate: PPL = [0-9]+\.[0-9]{4} \+/- [0-9]+\.[0-9]{5}$' ""
is "ppl: the interval" 0 '^95 % interval by bootstrap over 12 chunks of 128: [0-9.]+ to [0-9.]+$' ""
figures=$(cat "$dir/out")
for flags in "--threads 1" "--threads 2 --chunk 16" "--chunk 512" "--chunk 1024 --parallel 4" "--memory min" "--memory max" \
    "--memory min --chunk 600 --parallel 2 --reader threads"; do
    run $ppl $flags
    is "ppl $flags" 0 "=$figures" ""
done
# The scalar tier takes thirty times as long; what it computes of one chunk it computes of all.
run $ppl --chunks 2
cp "$dir/out" "$dir/want"
run $ppl --chunks 2 --cpu-tier scalar --chunk 1024
is "ppl --cpu-tier scalar" 0 "=$(cat "$dir/want")" ""
run $ppl --json
is "ppl as JSON" 0 '^\{"ppl":[0-9.]+,"error":[0-9.]+,"low":[0-9.]+,"high":[0-9.]+,"chunks":12,"tokens":756\}$' ""
# Several texts: each one's figures as alone, and their mean; taken up again in the middle of the second.
two="eval ppl $ember -f $text -f $dir/text --parse-special --ctx 256 --chunks 3"
run eval ppl "$ember" -f "$text" --parse-special --ctx 256 --chunks 3
{ echo "$text"; cat "$dir/out"; } >"$dir/wanted"
run eval ppl "$ember" -f "$dir/text" --parse-special --ctx 256 --chunks 3
{ echo "$dir/text"; cat "$dir/out"; } >>"$dir/wanted"
macro=$(sed -n 's/^Final estimate: PPL = \([0-9.]*\) .*/\1/p' "$dir/wanted" | awk '{ sum += $1 } END { printf "%.3f", sum / NR }')
run $two --out "$dir/two"
[ "$status" -eq 0 ] && [ "$(sed '$d' "$dir/out")" = "$(cat "$dir/wanted")" ] && pass || fail "two texts" "other figures: $(tr '\n' ' ' <"$dir/out")"
is "two texts: the mean" 0 "^macro: the mean PPL of 2 texts is $macro[0-9]$" ""
both=$(cat "$dir/out")
head -c $(($(wc -c <"$dir/two") * 3 / 5)) "$dir/two" >"$dir/torn"
run $two --out "$dir/torn" --resume
is "two texts, taken up again" 0 "=$both" ""
cmp -s "$dir/two" "$dir/torn" && pass || fail "two texts, taken up again" "other results"
run $two --at-most 1.01 --json
is "two texts: a bound that is not met" 3 '^\{"macro":[0-9.]+,"texts":\[\{"ppl":.*\}\]\}$' '^stoker eval: PPL [0-9.]+ is above --at-most 1.01$'
run eval kld "$ember" -f "$text" -f "$dir/text" --save "$dir/never"
is "kld of two texts" 2 "" '^stoker eval kld: one -f FILE; eval ppl takes several$'

# Positions: those of the second half of chunk 1 are the figures of chunk 1; two anywhere are the sums of eval logprobs.
for i in $(seq 129 255); do printf '1 %d\n\n' "$i"; done >"$dir/half"
run eval ppl "$ember" -f "$text" --parse-special --ctx 256 --out "$dir/all" --chunks 2
run eval ppl "$ember" -f "$text" --parse-special --ctx 256 --positions "$dir/half" --out "$dir/some"
is "ppl --positions" 0 '^Final estimate: PPL = ' ""
[ "$(sed -n 3p "$dir/all")" = "$(sed -n 2p "$dir/some")" ] && pass || fail "ppl --positions" "$(sed -n 2p "$dir/some")"
printf '0 200\n0\t3\r\n0 3\n2 17' >"$dir/places"
few="eval ppl $ember -f $dir/text --parse-special --ctx 256 --positions $dir/places"
run $few --json --out "$dir/three"
is "ppl of three positions" 0 '^\{"ppl":[0-9.]+,"error":.*,"chunks":2,"tokens":3\}$' ""
run eval logprobs "$ember" -f "$dir/text" --parse-special --json
sed -n 's/.*"position":\([0-9]*\),"logprob":\(-[0-9.e-]*\),.*/\1 \2/p' "$dir/out" | awk '$1 == 3 || $1 == 200 { sum -= $2 } END { printf "%.9f\n", sum }' >"$dir/sum"
sed -n 's/^{"chunk":0,"n":2,"sum":\([0-9.]*\),.*/\1/p' "$dir/three" | awk '{ printf "%.9f\n", $1 }' >"$dir/chunk"
[ -s "$dir/chunk" ] && cmp -s "$dir/sum" "$dir/chunk" && pass || fail "ppl of three positions" "$(cat "$dir/chunk") and not $(cat "$dir/sum")"
head -n 2 "$dir/three" >"$dir/torn"
run $few --json --out "$dir/torn" --resume --parallel 1
cmp -s "$dir/three" "$dir/torn" && pass || fail "ppl --positions, taken up again" "other results"
run eval ppl "$ember" -f "$dir/text" --parse-special --ctx 256 --out "$dir/three" --resume
is "results of other positions" 2 "" 'results of another run: (chunks|positions_sha256) is '
for bad in '0 256:positions 1 to 255 of a chunk have a score' '0 0:positions 1 to 255' '9 5:there are chunks 0 to [0-9]+' \
    '99999999999999999999 5:there are chunks' '0:is not a chunk and a position, two numbers' '0 1 2:is not' '0 -1:is not' 'a 1:is not'; do
    printf '0 5\n%s\n' "${bad%%:*}" >"$dir/bad"
    run eval ppl "$ember" -f "$dir/text" --parse-special --ctx 256 --positions "$dir/bad"
    is "--positions: ${bad%%:*}" 2 "" "^stoker eval: $dir/bad, line 2: ${bad#*:}"
done
printf '0 5\n0 5\n' >"$dir/bad"
run eval ppl "$ember" -f "$dir/text" --parse-special --ctx 256 --positions "$dir/bad"
is "--positions: one" 2 "" "^stoker eval: $dir/bad names 1 position; an error needs two at least$"
run eval ppl "$ember" -f "$dir/text" --parse-special --ctx 256 --positions "$dir/absent"
is "--positions: no such file" 1 "" "$dir/absent"
run eval ppl "$ember" -f "$text" -f "$text" --positions "$dir/places"
is "--positions of two texts" 2 "" '^stoker eval ppl: --positions are those of one -f FILE$'

run $ppl --kv f32
[ "$status" -eq 0 ] && [ "$(cat "$dir/out")" != "$figures" ] && pass || fail "ppl --kv f32" "the same as f16: nothing is measured"

# What a run keeps of its text is a part of the plan: 4 bytes a token of its chunks, 24 a chunk. What is suggested is rounded up to a MiB,
# so the least is sought below it, to a byte.
for i in 1 2 3 4; do cat "$text"; done >"$dir/long"
long="eval ppl $ember -f $dir/long --parse-special --ctx 64"
run $long --chunks 2 --memory 8MiB
few=$(($(sed -n 's/.*Try --memory \([0-9]*\)MiB\.$/\1/p' "$dir/err") * 1048576)) less=$((few - 1048576))
while [ $((few - less)) -gt 1 ]; do
    middle=$(((few + less) / 2))
    run $long --chunks 2 --memory "$middle"
    [ "$status" -eq 2 ] && less=$middle || few=$middle
done
more=$((few + 40 * (64 * 4 + 24)))
run $long --chunks 42 --memory "$more"
is "the plan of a text" 0 . ""
run $long --chunks 42 --memory $((more - 1))
is "the plan of a text, a byte less" 2 "" "is too small"

# ---- bounds ----------------------------------------------------------------------------------------------------------------
run $ppl --at-most 1000
is "a bound that is met" 0 "=$figures" ""
run $ppl --at-most 1.01
is "a bound that is not" 3 "=$figures" '^stoker eval: PPL [0-9.]+ is above --at-most 1.01$'

# ---- results: kept, taken up again -----------------------------------------------------------------------------------------
run $ppl --out "$dir/whole"
is "--out" 0 "=$figures" ""
[ "$(wc -l <"$dir/whole")" -eq 14 ] && pass || fail "--out" "has $(wc -l <"$dir/whole") lines"
run $ppl --out "$dir/whole"
is "results that exist" 2 "" "^stoker eval: $dir/whole exists; --resume takes it up again$"
run $ppl --out "$dir/whole" --resume
is "results that are whole" 0 "=$figures" ""
run $ppl --out "$dir/whole" --resume --kv f32
is "results of other options" 2 "" '^stoker eval: .*/whole has results of another run: kv is "f16" there and "f32" here$'
copy="$dir/copy.gguf"
cp "$ember" "$copy"
touch -d 2001-01-01 "$copy"
run eval ppl "$copy" -f "$text" --parse-special --ctx 128 --chunks 12 --out "$dir/whole" --resume
is "results of the same model elsewhere" 0 "=$figures" ""
printf 'STOKER' | dd of="$copy" bs=1 seek=$(($(wc -c <"$copy") - 100)) conv=notrunc 2>/dev/null
touch -d 2001-01-01 "$copy"
run eval ppl "$copy" -f "$text" --parse-special --ctx 128 --chunks 12 --out "$dir/whole" --resume
is "results of other weights" 2 "" '^stoker eval: .*/whole has results of another run: hash is "[0-9a-f]{16}" there and "[0-9a-f]{16}" here$'
rm "$copy"
run eval ppl "$ember" -f "$dir/text" --parse-special --ctx 128 --out "$dir/whole" --resume
is "results of another text" 2 "" 'results of another run: text_sha256 is '
size=$(wc -c <"$dir/whole")
for cut in 1 30 100 400 $((size - 40)); do
    head -c $((size - cut)) "$dir/whole" >"$dir/torn"
    run $ppl --out "$dir/torn" --resume
    is "results cut by $cut bytes" 0 "=$figures" ""
    cmp -s "$dir/whole" "$dir/torn" && pass || fail "results cut by $cut bytes" "other lines"
done
sed 5d "$dir/whole" >"$dir/gap"
run $ppl --out "$dir/gap" --resume
is "a chunk is missing" 2 "" "^stoker eval: $dir/gap, line 5: is not chunk 3 with 63 tokens and their sums$"
sed '4,13d' "$dir/whole" >"$dir/early"
run $ppl --out "$dir/early" --resume
is "a summary in front of missing chunks" 2 "" "^stoker eval: $dir/early, line 4: is the summary of 12 results, and there are 2$"
sed '14s/.*/{"chunk":12}/' "$dir/whole" >"$dir/more"
run $ppl --out "$dir/more" --resume
is "a chunk too many" 2 "" "^stoker eval: $dir/more, line 14: there are 12 results already$"
for sums in '"sum":-1e300,"squares":1.0' '"sum":100.0,"squares":1.0' '"sum":1e200,"squares":1e308'; do
    sed "3s/\"sum\".*/$sums}/" "$dir/whole" >"$dir/impossible"
    run $ppl --out "$dir/impossible" --resume
    is "impossible figures ($sums)" 2 "" "^stoker eval: $dir/impossible, line 3: 63 tokens cannot have the sums "
done
sed '2s/"squares".*/"squares":1e308}/' "$dir/whole" >"$dir/impossible"
run $ppl --out "$dir/impossible" --resume
is "squares above that of the sum" 2 "" "^stoker eval: $dir/impossible, line 2: 63 tokens cannot have the sums [0-9.]+ and 1e\\+308$"
sed 's/"sum".*/"sum":1e154,"squares":1e307}/' "$dir/whole" | sed '$d' >"$dir/huge"
run $ppl --out "$dir/huge" --resume
is "figures that are not finite" 1 "" "^stoker eval: the mean of -ln p is [0-9.e+]+ over 756 tokens: that gives no finite figures$"
sed '4s/.*/nonsense/' "$dir/whole" >"$dir/bad"
run $ppl --out "$dir/bad" --resume
is "a line is no JSON" 2 "" "^stoker eval: $dir/bad, line 4: is no JSON object$"

printf 'precious notes without newline' >"$dir/notes"
head -c 20 "$dir/whole" >"$dir/header"
cp "$dir/header" "$dir/longer"
printf 'x' >>"$dir/longer"
for foreign in notes longer; do
    cp "$dir/$foreign" "$dir/kept"
    run $ppl --out "$dir/$foreign" --resume
    is "a file of something else ($foreign)" 2 "" "^stoker eval: $dir/$foreign is no file of results of this run"
    cmp -s "$dir/kept" "$dir/$foreign" && pass || fail "a file of something else ($foreign)" "it was changed"
done
for begun in header empty; do
    [ "$begun" = header ] || : >"$dir/$begun"
    run $ppl --out "$dir/$begun" --resume
    is "a header that is torn ($begun)" 0 "=$figures" ""
    cmp -s "$dir/whole" "$dir/$begun" && pass || fail "a header that is torn ($begun)" "other lines"
done

if command -v flock >/dev/null; then
    exec 9<"$dir/whole"
    flock 9
    run $ppl --out "$dir/whole" --resume
    exec 9<&-
    is "results that another run writes" 2 "" "^stoker eval: $dir/whole: another run writes its results there$"
else
    skip "results that another run writes" "no flock"
fi

kills=0
rm -f "$dir/killed"
for round in $(seq 20); do
    "$stoker" $ppl --out "$dir/killed" --resume >"$dir/out" 2>"$dir/err" &
    sleep "0.$((round * 7919 % 40 / 10))$((round * 31 % 10))"
    kill -9 $! 2>/dev/null && kills=$((kills + 1))
    wait $! 2>/dev/null
done
run $ppl --out "$dir/killed" --resume
is "after $kills kills" 0 "=$figures" ""
cmp -s "$dir/whole" "$dir/killed" && pass || fail "after $kills kills" "other results"

# ---- KL divergence ---------------------------------------------------------------------------------------------------------
# The base: keys and values of q8_0; what is compared with it: f16. 9 chunks of 63 positions.
base=$dir/base
save="eval kld $ember -f $text --parse-special --ctx 128 --chunks 9 --kv q8_0 --save"
ppl9="eval ppl $ember -f $text --parse-special --ctx 128 --chunks 9 --kv q8_0"
run $ppl9
figures9=$(cat "$dir/out")
run $save "$base"
is "kld --save: the perplexity of ppl" 0 "=$figures9" "^stoker eval: $base: [0-9.]+ MB for 9 chunks$"
[ ! -e "$base.part" ] && pass || fail "kld --save" "$base.part is left"
for flags in "--threads 1" "--threads 2 --chunk 16" "--chunk 1024 --parallel 4" "--memory min"; do
    run $save "$dir/other" $flags
    cmp -s "$base" "$dir/other" && pass || fail "kld --save $flags" "other bytes"
    rm -f "$dir/other"
done
run $save "$base"
is "kld --save: a file that exists" 2 "" "^stoker eval: $base exists: remove it, or --save to another name$"
printf x >"$dir/begun.part"
run $save "$dir/begun"
is "kld --save: rows of an earlier run" 2 "" "^stoker eval: $dir/begun.part has the rows of an earlier run: go on with --resume"
run $save "$dir/begun" --out "$dir/another" --resume
is "kld --save --resume with other results" 2 "" "^stoker eval: $dir/begun.part has the rows of an earlier run: go on with --resume"
[ "$(cat "$dir/begun.part")" = x ] && pass || fail "kld --save --resume with other results" "the rows are gone"

kld="eval kld $ember --base $base"
run $kld
is "kld" 0 '^chunk             PPL               ln\(PPL\(Q\)/PPL\(base\)\)          KL Divergence              Δp RMS            Same top p$' ""
is "kld: a line a chunk" 0 '^   9    +[0-9.]+ ± +[0-9.]+    +-?[0-9.]+ ± +[0-9.]+    +[0-9.]+ ± +[0-9.]+    +[0-9.]+ ± +[0-9.]+ %    +[0-9.]+ ± +[0-9.]+ %$' ""
is "kld: the mean" 0 '^Mean    KLD:   0\.000[0-9]{3} ±   0\.000[0-9]{3}$' ""
is "kld: percentiles" 0 '^99\.9%   KLD:   [0-9]\.[0-9]{6}$' ""
is "kld: the last line" 0 '^Same top p: +[0-9.]+ ± [0-9.]+ %$' ""
distance=$(cat "$dir/out")
mean_of() { sed -n "s/^Mean PPL($1) *: *\([0-9.]*\) .*/\1/p" "$dir/out" | cut -c 1-5; }
ppl_of() { echo "$1" | sed -n 's/.*PPL = \([0-9.]*\) .*/\1/p' | cut -c 1-5; }
[ "$(mean_of base)" = "$(ppl_of "$figures9")" ] && pass || fail "kld: PPL(base)" "$(mean_of base), and ppl says $(ppl_of "$figures9")"
for flags in "--threads 1" "--threads 2 --chunk 16" "--chunk 512" "--chunk 1024 --parallel 4" "--memory min" "--memory max" \
    "--memory min --chunk 600 --parallel 2 --reader threads"; do
    run $kld $flags
    is "kld $flags" 0 "=$distance" ""
done
run $kld --json
is "kld as JSON" 0 '^\{"chunks":9,"positions":567,"ppl":\[[0-9.]+,[0-9.]+\],"ppl_base":.*,"kld_percentiles":\{"1":.*\},"dp_percentiles":\{"1":.*\}\}$' ""
run $kld --kv q8_0 --json
is "kld of a model with itself: what 16 bits cost" 0 '"kld":\[-?[0-9.]+e-[6-9],.*"same_top":\[1.0,0.0\]' ""
run $kld --at-most 0.01
is "kld: a bound that is met" 0 "=$distance" ""
run $kld --at-most 1e-9
is "kld: a bound that is not" 3 "=$distance" '^stoker eval: the mean KL divergence [0-9.]+ is above --at-most 1e-09$'
run eval kld "$ember" -f "$text" --parse-special --ctx 64 --chunks 2 --save "$dir/few"
run eval kld "$ember" -f "$text" --parse-special --ctx 64 --chunks 2 --save "$dir/few.scalar" --cpu-tier scalar --chunk 512
cmp -s "$dir/few" "$dir/few.scalar" && pass || fail "kld --save --cpu-tier scalar" "other bytes"
run eval kld "$ember" --base "$dir/few" --cpu-tier scalar --chunk 1024
cp "$dir/out" "$dir/want"
run eval kld "$ember" --base "$dir/few"
cmp -s "$dir/out" "$dir/want" && pass || fail "kld --cpu-tier scalar" "other figures"
[ "$status" -eq 0 ] && [ "$(grep -c . "$dir/out")" -eq 3 ] && pass || fail "kld of few positions" "no line a chunk alone"
run eval kld "$ember" --base "$base" --chunks 3 --json
is "kld: the first chunks" 0 '^\{"chunks":3,"positions":189,' ""

run $kld --out "$dir/kld"
is "kld --out" 0 "=$distance" ""
run $kld --out "$dir/kld" --resume
is "kld: results that are whole" 0 "=$distance" ""
run eval kld "$ember" --base "$dir/few" --out "$dir/kld" --resume
is "kld: results of another base" 2 "" 'results of another run: base_sha256 is '
size=$(wc -c <"$dir/kld")
for cut in 1 600 3000 $((size / 2)) $((size - 40)); do
    head -c $((size - cut)) "$dir/kld" >"$dir/torn"
    run $kld --out "$dir/torn" --resume
    is "kld: results cut by $cut bytes" 0 "=$distance" ""
    cmp -s "$dir/kld" "$dir/torn" && pass || fail "kld: results cut by $cut bytes" "other lines"
done
for change in 's/"same_top":[0-9]*/"same_top":128/' 's/"kld":\[/"kld":[1,/' 's/"kld_sum":[^,]*/"kld_sum":5.0/' 's/"dp":\[/"dp":["a",/' 's/"products":[^,]*/"products":1e9/'; do
    sed "3$change" "$dir/kld" >"$dir/impossible"
    run $kld --out "$dir/impossible" --resume
    is "kld: impossible results ($change)" 2 "" "^stoker eval: $dir/impossible, line 3: "
done

# Both halves of it, killed at any moment and taken up again.
kill_at_random() { # kill_at_random COMMAND...
    kills=0
    for round in $(seq 20); do
        "$stoker" "$@" --resume >"$dir/out" 2>"$dir/err" &
        sleep "0.$((round * 7919 % 40 / 10))$((round * 31 % 10))"
        kill -9 $! 2>/dev/null && kills=$((kills + 1))
        wait $! 2>/dev/null
    done
}
rm -f "$dir/other"
kill_at_random $save "$dir/other" --out "$dir/saved"
run $save "$dir/other" --out "$dir/saved" --resume
[ "$status" -eq 0 ] && [ "$(cat "$dir/out")" = "$figures9" ] && pass || fail "kld --save after $kills kills" "other figures"
cmp -s "$base" "$dir/other" && pass || fail "kld --save after $kills kills" "other bytes"
run $save "$dir/other" --out "$dir/saved" --resume
is "kld --save: whole already" 0 "=$figures9" ""
kill_at_random $kld --out "$dir/compared"
run $kld --out "$dir/compared" --resume
is "kld after $kills kills" 0 "=$distance" ""
cmp -s "$dir/kld" "$dir/compared" && pass || fail "kld after $kills kills" "other results"
head -n 4 "$dir/saved" >"$dir/begun"
mv "$dir/other" "$dir/moved"
run $save "$dir/other" --out "$dir/begun" --resume
is "kld --save: its part is gone" 2 "" "^stoker eval: $dir/other.part is gone, which the results go on with: begin anew without --resume$"

# A header alone knows no rows: what lies there is kept unless it is of this very text, or was never begun.
head -n 1 "$dir/saved" >"$dir/header"
cp "$base" "$dir/held.part"
printf '\001' | dd of="$dir/held.part" bs=1 seek=20 conv=notrunc 2>/dev/null
cp "$dir/held.part" "$dir/others"
run $save "$dir/held" --out "$dir/header" --resume
is "kld --save: a header beside another text's rows" 2 "" "^stoker eval: $dir/held.part is of another text, or of other chunks of it$"
cmp -s "$dir/held.part" "$dir/others" && pass || fail "kld --save: a header beside another text's rows" "they are gone"
for begun in "cp $base" "truncate -s 5000" ": >"; do
    rm -f "$dir/held" "$dir/held.part"
    head -n 1 "$dir/saved" >"$dir/header"
    eval "$begun $dir/held.part"
    run $save "$dir/held" --out "$dir/header" --resume
    cmp -s "$dir/held" "$base" && pass || fail "kld --save: begun anew by $begun" "$(cat "$dir/err")"
done
rm -f "$dir/held"
cp "$base" "$dir/held.part"
: >"$dir/header"
run $save "$dir/held" --out "$dir/header" --resume
is "kld --save: empty results beside rows" 2 "" "^stoker eval: $dir/held.part has the rows of an earlier run: "
cmp -s "$dir/held.part" "$base" && pass || fail "kld --save: empty results beside rows" "they are gone"
# A run without a result leaves nothing behind.
run eval ppl "$ember" -f "$text" --ctx 128 --memory 1MiB --out "$dir/refused"
[ "$status" -eq 2 ] && [ ! -e "$dir/refused" ] && pass || fail "a run that is refused" "status $status, or its --out is left"
run $save "$dir/refused.base" --memory 1MiB --out "$dir/refused"
[ "$status" -eq 2 ] && [ ! -e "$dir/refused" ] && [ ! -e "$dir/refused.base.part" ] && pass ||
    fail "a base file that is refused" "status $status, or something is left"
for out in twice ./twice ./twice.part "$PWD/twice"; do
    run eval kld "$ember" -f "$text" --save twice --out "$out"
    is "--save twice --out $out" 2 "" "^stoker eval kld: --save and --out are two files$"
done

head -c 4000 "$base" >"$dir/cut"
run eval kld "$ember" --base "$dir/cut"
is "a base file that is cut" 2 "" "^stoker eval: $dir/cut has 4000 bytes, 9 chunks of 128 tokens"
# codes that were lost: every chunk's rows lie whole, heads and all, but for the codes of the last row
cp "$base" "$dir/zeros"
codes=$((2 * $(od -An -tu4 -j 12 -N 4 "$base")))
dd if=/dev/zero of="$dir/zeros" bs=1 seek=$(($(stat -c %s "$base") - codes)) count=$codes conv=notrunc 2>/dev/null
run eval kld "$ember" --base "$dir/zeros"
is "a base file with lost codes" 2 "^ *8 " "^stoker eval: $dir/zeros: the probabilities of row 566 \(at byte [0-9]+\) add up to [0-9.e-]+ in place of 1: the file is damaged$"
grep -q 'KL divergence statistics' "$dir/out" && fail "a base file with lost codes" "gives figures" || pass
(ulimit -f 100 && exec "$stoker" $save "$dir/grown") >"$dir/out" 2>"$dir/err"
status=$?
is "a base file that may not grow" 1 "" "^stoker eval: $dir/grown.part: cannot be made [0-9]+ bytes long: File too large$"
[ ! -e "$dir/grown.part" ] && pass || fail "a base file that may not grow" "$dir/grown.part is left"
run eval kld "$ember" --base "$text"
is "no base file" 2 "" "^stoker eval: $text does not begin with \"_logits_\": it is no base file$"
run eval kld "$ember" --base "$dir/absent"
is "an absent base file" 1 "" "^stoker eval: $dir/absent: cannot be read: "
run eval kld "$ember" --base "$dir"
is "a folder" 2 "" "^stoker eval: $dir is not a regular file$"
run eval kld "$ember" --base "$data/eval/kld_tiny.base"
is "another vocabulary" 2 "" "^stoker eval: .*/kld_tiny.base \(at byte 12\) has a vocabulary of 37 tokens, $ember one of [0-9]+: they cannot be compared$"
run $save "$dir/foreign" --out "$dir/mine"
run eval kld "$ember" -f "$text" --parse-special --ctx 128 --chunks 9 --kv f16 --save "$dir/yours"
mv "$dir/yours" "$dir/foreign"
run $save "$dir/foreign" --out "$dir/mine" --resume
is "kld --save: rows of another run" 2 "" "^stoker eval: $dir/foreign: the rows of chunk 0 are not those of the results: it is of another run$"
sed '3s/"rows_sha256":"./"rows_sha256":"x/' "$dir/mine" >"$dir/unsaid"
run $save "$base" --out "$dir/unsaid" --resume
is "kld --save: a line that says no rows" 2 "" "^stoker eval: $dir/unsaid, line 3: does not say what rows chunk 1 has$"

# A model that puts a token in front has it in front of every chunk, whatever the base file's first token is: that is not scored.
run eval kld "$golden/gemma3.gguf" -f "$dir/text" --ctx 64 --chunks 3 --save "$dir/front"
cp "$golden/gemma3.gguf" "$dir/bos.gguf"
key=tokenizer.ggml.add_bos_token
at=$(grep -abo $key "$dir/bos.gguf" | head -n 1 | cut -d : -f 1)
printf '\001' | dd of="$dir/bos.gguf" bs=1 seek=$((at + ${#key} + 4)) conv=notrunc 2>/dev/null
run eval kld "$dir/bos.gguf" --base "$dir/front" --json
figures=$(cat "$dir/out")
printf '\002\000\000\000' | dd of="$dir/front" bs=1 seek=20 conv=notrunc 2>/dev/null
run eval kld "$dir/bos.gguf" --base "$dir/front" --json
[ "$(od -An -tu4 -j 20 -N 4 "$dir/front" | tr -d ' ')" = 2 ] && [ -n "$figures" ] || fail "kld: a base without what the model puts in front" "none was made"
is "kld: a base without what the model puts in front" 0 "=$figures" ""
run $kld --ctx 64
is "--ctx below the chunks" 2 "" "^stoker eval: $base \(at byte 8\) has chunks of 128 tokens, --ctx is 64: leave it out$"
run eval kld "$ember"
is "kld of nothing" 2 "" '^stoker eval kld: -f FILE --save BASE writes a base file, --base BASE compares with it$'
run eval kld "$ember" -f "$text"
is "kld without --save" 2 "" '^stoker eval kld: -f FILE needs --save BASE$'
run $kld -f "$text"
is "kld with two texts" 2 "" '^stoker eval kld: the text is that of --base: leave -f and --parse-special out$'
run $kld --save "$dir/other"
is "kld with both" 2 "" '^stoker eval kld: --save and --base exclude each other$'
if [ -w /dev/full ]; then
    ln -s /dev/full "$dir/nowhere.part"
    run $save "$dir/nowhere"
    is "kld --save to a device" 2 "" "^stoker eval: $dir/nowhere.part is not a regular file$"
fi

# ---- what is refused -------------------------------------------------------------------------------------------------------
run eval
is "no evaluation" 2 "" '^stoker eval: which evaluation\?'
run eval plp
is "a mistyped one" 2 "" 'did you mean stoker eval ppl\?$'
run eval ppl "$ember"
is "no text" 2 "" '^stoker eval ppl: which text\? -f FILE$'
run eval ppl "$ember" -f "$dir/hello"
is "a text shorter than a chunk" 2 "" "^stoker eval: $dir/hello has 2 tokens, a chunk 512"
: >"$dir/empty"
run eval ppl "$ember" -f "$dir/empty"
is "an empty text" 2 "" "^stoker eval: $dir/empty is empty"
printf 'abc\377' >"$dir/latin"
run eval logprobs "$ember" -f "$dir/latin"
is "a text that is no UTF-8" 2 "" "^stoker eval: $dir/latin is not valid UTF-8 at byte 3 \(0xFF\)$"
yes 'a text that is long ' | head -c 1000000 >"$dir/large"
for flags in "" "--chunks 1"; do
    run eval ppl "$ember" -f "$dir/large" --memory 1900000 $flags
    is "a text above half of --memory $flags" 2 "" "^stoker eval: $dir/large: reading it takes more than half of --memory: give more memory, or less to read at a time$"
done
run eval ppl "$ember" -f "$dir/large" --memory 3MiB
is "tokens above half of --memory" 2 "" "^stoker: $dir/large: reading it takes more than half of --memory"
run eval ppl "$ember" -f "$dir/absent"
is "no such text" 1 "" "$dir/absent"
echo '{"messages":' >"$dir/broken"
run eval logprobs "$ember" --chat "$dir/broken"
is "a chat that is no JSON" 2 "" "^stoker eval: $dir/broken: the request is not JSON: "
run eval kld "$ember" -f "$text" --save "$dir/both" --out "$dir/both"
is "rows and results in one file" 2 "" '^stoker eval kld: --save and --out are two files$'
run eval logprobs "$ember" --chat "$dir/absent"
is "no such chat" 1 "" "$dir/absent"
run eval ppl "$ember" -f "$text" --from 3
is "a flag of another evaluation" 2 "" '^stoker eval ppl: --from is not a flag'
run eval ppl "$ember" -f "$text" --resume
is "--resume alone" 2 "" '--resume goes on with the results of --out FILE$'
run eval ppl "$ember" -f "$text" --ctx 4 --chunks 1
is "a chunk that scores one token" 2 "" 'a chunk has 5 tokens at least$'
run eval ppl "$ember" -f "$text" --ctx 5 --chunks 1 --json
is "a chunk that scores two" 0 '^\{"ppl":[0-9.]+,"error":[0-9.]+,"low":null,"high":null,"chunks":1,"tokens":2\}$' ""
for n in 1:chunk 3:chunks; do
    run eval ppl "$ember" -f "$text" --ctx 5 --chunks ${n%:*}
    is "$n without an interval" 0 "^${n%:*} ${n#*:}: too few chunks for an interval$" ""
done
run eval ppl "$ember" -f "$text" --ctx 5 --chunks 4
is "an interval of four chunks" 0 '^95 % interval by bootstrap over 4 chunks of 5: [0-9.]+ to [0-9.]+; of so few chunks the true one is wider$' ""
if [ -w /dev/full ]; then
    ln -s /dev/full "$dir/full"
    run $ppl --out "$dir/full" --resume
    [ "$status" -ne 0 ] && [ ! -s "$dir/out" ] && pass || fail "a full disk" "a figure is printed"
fi
done_testing
