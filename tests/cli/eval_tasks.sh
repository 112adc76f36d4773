# Evaluations of tasks: the same output whatever computes it, after a kill too; items and results that are refused.
. tests/cli/harness

tasks=$data/tasks
told= # what these runs say on stderr

# same WHAT ARGUMENT...: the output of $dir/figures for threads, chunks, sequences and budgets
same() {
    about=$1
    shift
    for flags in "--threads 1 --chunk 16" "--threads 2 --chunk 512 --parallel 1" "--memory min" "--memory max --parallel 7"; do
        run "$@" $flags
        is "$about $flags" 0 "=$(cat "$dir/figures")" "$told"
    done
}

lines() { cat "$1" 2>/dev/null | wc -l; }

# taken_up WHAT ARGUMENT...: killed at several places, the run ends with the figures and the results of one that was not
taken_up() {
    about=$1
    shift
    rm -f "$dir/whole" "$dir/killed"
    slow=
    run "$@" --out "$dir/whole"
    is "$about: --out" 0 "=$(cat "$dir/figures")" "$told"
    n=$(lines "$dir/whole") kills=0 midway=0 rounds=0
    # Tenths of the results, a moment behind each; one that is there already: while the model is loaded. Items one at a time, so
    # that there is a moment between their results; where four rounds met none, on the slowest kernels.
    for part in 2 3 0 5 4 7 2 3 4 5 2 3 4 5; do
        [ $kills -ge 6 ] && [ $midway = 1 ] && break
        [ $midway = 1 ] || rm -f "$dir/killed"
        rounds=$((rounds + 1))
        [ $midway = 1 ] || [ $rounds -le 4 ] || slow="--cpu-tier scalar"
        "$stoker" "$@" --out "$dir/killed" --resume --parallel 1 --threads 1 $slow >"$dir/out" 2>"$dir/err" &
        for _ in $(seq 2000); do
            [ "$(lines "$dir/killed")" -gt $((n * part / 10)) ] && break
            sleep 0.01
        done
        sleep "0.0$part"
        kill -9 $! 2>/dev/null && kills=$((kills + 1))
        wait $! 2>/dev/null
        [ "$(lines "$dir/killed")" -gt 1 ] && [ "$(lines "$dir/killed")" -lt "$n" ] && midway=1
    done
    [ $midway = 1 ] && pass || fail "$about" "was never killed between two results"
    run "$@" --out "$dir/killed" --resume
    [ -s "$dir/err" ] && says=$told || says='' # where nothing was left to do, no model is opened
    is "$about after $kills kills" 0 "=$(cat "$dir/figures")" "$says"
    cmp -s "$dir/whole" "$dir/killed" && pass || fail "$about after $kills kills" "other results"
    head -c $(($(wc -c <"$dir/whole") / 2)) "$dir/whole" >"$dir/torn"
    run "$@" --out "$dir/torn" --resume --parallel 1
    is "$about: torn results" 0 "=$(cat "$dir/figures")" "$told"
    cmp -s "$dir/whole" "$dir/torn" && pass || fail "$about: torn results" "other results"
}

# ---- multiple choice -----------------------------------------------------------------------------------------------------
items=$tasks/mcq.jsonl
run eval mcq "$ember" -f "$items" --mode reply --at-least 0.96
is "mcq --mode reply" 0 '^acc: (58|59|60) of 60, 9?[0-9.]+ % \[[0-9.]+, [0-9.]+\]$' ""
is "mcq: by subject" 0 '^  months: 10 of 10, 100.00 % \[72.25, 100.00\]$' ""
run eval mcq "$ember" -f "$items" --mode reply --at-least 0.999
is "mcq: a bound that is not met" 3 "^acc: " '^stoker eval: acc 0.9[0-9]+ is below --at-least 0.999$'
run eval mcq "$ember" -f "$items" --mode text --limit 24
is "mcq --mode text" 0 '^acc_token: [0-9]+ of 24' ""
cp "$dir/out" "$dir/figures"
same "mcq --mode text" eval mcq "$ember" -f "$items" --mode text --limit 24
taken_up "mcq --mode text" eval mcq "$ember" -f "$items" --mode text --limit 24
mv "$dir/whole" "$dir/text"
run eval mcq "$ember" -f "$items" --mode reply
cp "$dir/out" "$dir/figures"
same "mcq --mode reply" eval mcq "$ember" -f "$items" --mode reply
run eval mcq "$ember" -f "$items" --mode reply --limit 12
cp "$dir/out" "$dir/figures"
taken_up "mcq --mode reply" eval mcq "$ember" -f "$items" --mode reply --limit 12
shots="eval mcq $ember -f $items --shots 3 --shots-file $items --limit 12"
run $shots
is "mcq with shots" 0 '^mean margin: -?[0-9.]+$' ""
cp "$dir/out" "$dir/figures"
same "mcq with shots" $shots
taken_up "mcq with shots" $shots
mv "$dir/text" "$dir/whole"
# The item itself is no shot, and what has its id in another file is one.
echo '{"id":"0","question":"What is red?","choices":["a colour","a bird"],"answer":0}' >"$dir/red"
echo '{"id":"0","question":"What is green?","choices":["a colour","a bird"],"answer":0}' | cat "$dir/red" - >"$dir/shots"
sed -i '1s/"0"/"1"/' "$dir/shots"
run eval mcq "$ember" -f "$dir/red" --mode text --shots 1 --shots-file "$dir/shots" --show
is "the text of shots" 0 '^What is green\?$' ""
[ "$(grep -c 'What is' "$dir/out")" -eq 2 ] && grep -q '^Answer: a colour$' "$dir/out" && pass || fail "the text of shots" "is another"
# Shots of the item's subject where there are enough of them, else the first ones, and their answers.
{
    echo '{"id":"a","question":"A?","choices":["a","b"],"answer":0,"subject":"x"}'
    echo '{"id":"b","question":"B?","choices":["c","d"],"answer":1,"subject":"y"}'
    echo '{"id":"c","question":"C?","choices":["e","f"],"answer":1,"subject":"x"}'
} >"$dir/shots"
echo '{"id":"q","question":"Q?","choices":["g","h"],"answer":0,"subject":"x"}' >"$dir/asked"
run eval mcq "$ember" -f "$dir/asked" --shots 2 --shots-file "$dir/shots" --show
printf '%s\n' '---- q' 'A?' 'A. a' 'B. b' 'Answer: A' '' 'C?' 'A. e' 'B. f' 'Answer: B' '' 'Q?' 'A. g' 'B. h' 'Answer: A | B' >"$dir/wanted"
cmp -s "$dir/out" "$dir/wanted" && pass || fail "shots of the subject" "$(tr '\n' '/' <"$dir/out")"
sed -i 's/"x"/"y"/' "$dir/asked"
run eval mcq "$ember" -f "$dir/asked" --mode text --shots 2 --shots-file "$dir/shots" --show
printf '%s\n' '---- q' 'A?' 'Answer: a' '' 'B?' 'Answer: d' '' 'Q?' 'Answer: g | h' >"$dir/wanted"
cmp -s "$dir/out" "$dir/wanted" && pass || fail "shots of others" "$(tr '\n' '/' <"$dir/out")"

run eval mcq "$ember" -f "$items" --mode text --limit 8 --json
is "mcq as JSON" 0 '^\{"items":8,"acc":\{"right":[0-8],"of":8,.*"acc_token":\{.*\},"margin":-?[0-9.]+\}$' ""

# The sums of a choice are those of its tokens in eval logprobs.
printf '{"id":"a","context":"The capital of Norway is","choices":["Oslo","Rome, Italy"],"answer":0}\n' >"$dir/one"
run eval mcq "$ember" -f "$dir/one" --mode text --out "$dir/sums"
is "mcq of one item" 0 '^acc: [01] of 1' ""
for choice in "Oslo" "Rome, Italy"; do
    printf 'The capital of Norway is' >"$dir/context"
    printf 'The capital of Norway is %s' "$choice" >"$dir/texts"
    run eval logprobs "$ember" -f "$dir/context"
    from=$(grep -c "$(printf '\t')" "$dir/out")
    run eval logprobs "$ember" -f "$dir/texts"
    awk -F '\t' -v from="$from" '$1 ~ /^[0-9]+$/ && $1 >= from { sum += $4 } END { printf "%.4f\n", sum }' "$dir/out"
done >"$dir/wanted"
sed -n 's/.*"sum":\[\([^]]*\)\].*/\1/p' "$dir/sums" | tr , '\n' | awk '{ printf "%.4f\n", $1 }' >"$dir/is"
[ -s "$dir/is" ] && cmp -s "$dir/is" "$dir/wanted" && pass || fail "sums of choices" "$(tr '\n' ' ' <"$dir/is") and not $(tr '\n' ' ' <"$dir/wanted")"

# The mean of a choice is of the tokens behind all that the choices share, which is more than the context here.
printf '{"id":"a","context":"The capital of Norway is","choices":["the city Oslo","the city Rome, Italy"],"answer":0}\n' >"$dir/one"
rm "$dir/sums"
run eval mcq "$ember" -f "$dir/one" --mode text --out "$dir/sums"
for choice in "the city Oslo" "the city Rome, Italy"; do
    printf 'The capital of Norway is %s' "$choice" >"$dir/texts"
    "$stoker" eval logprobs "$ember" -f "$dir/texts" >"$dir/of $choice"
done
from=$(awk -F '\t' 'NR == FNR { piece[$1] = $2; next } $2 != piece[$1] { print $1; exit }' "$dir/of the city Oslo" "$dir/of the city Rome, Italy")
for choice in "the city Oslo" "the city Rome, Italy"; do
    awk -F '\t' -v from="$from" '$1 ~ /^[0-9]+$/ && $1 >= from { sum += $4; n++ } END { printf "%.4f\n", sum / n }' "$dir/of $choice"
done >"$dir/wanted"
sed -n 's/.*"mean":\[\([^]]*\)\].*/\1/p' "$dir/sums" | tr , '\n' | awk '{ printf "%.4f\n", $1 }' >"$dir/is"
[ "$from" -gt 6 ] && cmp -s "$dir/is" "$dir/wanted" && pass || fail "means of choices" "$(tr '\n' ' ' <"$dir/is") and not $(tr '\n' ' ' <"$dir/wanted")"

# Choices share their context: at least nine tenths of it come from the cache.
for i in 1 2 3; do
    printf '{"id":"%s","context":"%s","choices":["Oslo","a cat","seven"],"answer":1}\n' "$i" \
        "$(tr -dc 'a-zA-Z .' <"$data/eval/eval.txt" | tail -c "+$((i * 5000))" | head -c $((900 + 200 * i)))"
done >"$dir/long"
"$stoker" eval mcq "$ember" -f "$dir/long" --mode text --stats >"$dir/out" 2>"$dir/err"
sed -n 's/^stoker eval: \([0-9]*\) of \([0-9]*\) context tokens.*/\1 \2/p' "$dir/err" >"$dir/counts"
awk '$2 >= 1200 && $1 >= 0.9 * $2 { ok = 1 } END { exit !ok }' "$dir/counts" && pass ||
    fail "contexts from the cache" "$(cat "$dir/counts")"

# refused WHAT LINE SENTENCE: line 2 of two items
refused() {
    printf '{"id":"a","question":"q","choices":["x","y"],"answer":0}\n%s\n' "$2" >"$dir/items"
    run eval mcq "$ember" -f "$dir/items" --mode text
    is "$1" 2 "" "^stoker eval: $dir/items, line 2: $3"
}
refused "no JSON" '{"id":"b"' 'is no JSON at byte '
refused "no object" '[1]' 'is no JSON object$'
refused "no id" '{"question":"q","choices":["x","y"],"answer":0}' 'has no "id"$'
refused "a doubled id" '{"id":"a","question":"q","choices":["x","y"],"answer":0}' 'the id "a" is that of line 1 too$'
refused "an answer outside" '{"id":"b","question":"q","choices":["x","y"],"answer":2}' '"answer" is no number from 0 to 1$'
refused "one choice" '{"id":"b","question":"q","choices":["x"],"answer":0}' 'has 1 choices; 2 to 26 are possible$'
refused "27 choices" "{\"id\":\"b\",\"question\":\"q\",\"choices\":[$(seq -s , -f '"%g"' 27)],\"answer\":0}" 'has 27 choices; 2 to 26 are possible$'
refused "no question" '{"id":"b","choices":["x","y"],"answer":0}' 'has no "question"$'
refused "no text" '{"id":"b","question":7,"choices":["x","y"],"answer":0}' '"question" is not a text$'
refused "no UTF-8" "$(printf '{"id":"b","question":"\377","choices":["x","y"],"answer":0}')" 'is no JSON at byte '
refused "a NUL in a subject" '{"id":"b","question":"q","choices":["x","y"],"answer":0,"subject":"s\u0000"}' '"subject" has a character U\+0000$'
refused "no token of its own" '{"id":"b","question":"q","choices":["x","x"],"answer":0}' 'b: choice 0 has no token of its own$'
{
    printf '{"id":"a","question":"'
    head -c 1048576 /dev/zero | tr '\0' q
    printf '","choices":["x","y"],"answer":0}\n'
} >"$dir/items"
run eval mcq "$ember" -f "$dir/items"
is "a line above 1 MiB" 2 "" "^stoker eval: $dir/items, line 1: has 10486[0-9]* bytes, more than 1048576$"
printf '\n\n' >"$dir/items"
run eval mcq "$ember" -f "$dir/items"
is "no items" 2 "" "^stoker eval: $dir/items has no items$"
run eval mcq "$ember" -f "$dir/absent"
is "no such file" 1 "" "$dir/absent"
run eval mcq "$ember" -f "$items" --ctx 20
is "an item longer than --ctx" 2 "" "^stoker eval: $items, line [0-9]+: [a-z]+-[0-9]+: needs [0-9]+ tokens, the context is 20: give a longer --ctx$"
"$stoker" eval mcq "$ember" -f "$dir/long" --mode text --ctx 320 --skip >"$dir/out" 2>"$dir/err"
grep -q '^stoker eval: [12] of 3 items are left out by --skip$' "$dir/err" && grep -q '^acc: [0-9] of [12]' "$dir/out" && pass ||
    fail "--skip" "$(cat "$dir/err")"
printf '\357\273\277{"id":"a","question":"q","choices":["x","y"],"answer":0}\n' >"$dir/marked"
run eval mcq "$ember" -f "$dir/marked" --show
is "a byte order mark" 0 "^q$" ""
run eval mcq "$ember" -f - --shots 1 --shots-file -
is "stdin twice" 2 "" "^stoker eval mcq: stdin \(-\) can be read once$"
run eval mcq "$ember" -f "$items" --shots 2
is "--shots alone" 2 "" '--shots N needs --shots-file FILE, where they are$'
run eval mcq "$ember" -f "$items" --shots 0 --shots-file "$items"
is "--shots-file alone" 2 "" '--shots-file FILE needs --shots N, 1 or more$'
run eval mcq "$ember" -f "$dir/one" --shots 2 --shots-file "$dir/one"
is "too few shots" 2 "" 'a: there are 0 other items for its 2 shots: ask for fewer'
run eval mcq "$ember" -f "$items" --mode text --limit 24 --out "$dir/whole" --resume --kv f32
is "results of other options" 2 "" '/whole has results of another run: kv is "f16" there and "f32" here$'
run eval mcq "$ember" -f "$items" --mode text --limit 23 --out "$dir/whole" --resume
is "results of other items" 2 "" '/whole has results of another run: (prompts_sha256|items) is '
sed '3s/"sum":\[[^]]*\]/"sum":[1.5,-1.0,-1.0,-1.0]/' "$dir/whole" >"$dir/impossible"
run eval mcq "$ember" -f "$items" --mode text --limit 24 --out "$dir/impossible" --resume
is "impossible results" 2 "" "^stoker eval: $dir/impossible, line 3: has no log-probabilities of "
sed 3d "$dir/whole" >"$dir/gap"
run eval mcq "$ember" -f "$items" --mode text --limit 24 --out "$dir/gap" --resume
is "a missing result" 2 "" "^stoker eval: $dir/gap, line 3: is not the result of "
if [ -w /dev/full ]; then
    ln -s /dev/full "$dir/full"
    run eval mcq "$ember" -f "$items" --limit 2 --out "$dir/full" --resume
    [ "$status" -ne 0 ] && [ ! -s "$dir/out" ] && [ "$(wc -l <"$dir/err")" -eq 1 ] && pass || fail "a full disk" "a figure is printed"
fi
run eval mcq "$golden/phi3.gguf" -f "$dir/one" --mode reply
[ "$status" -eq 0 ] && [ -s "$dir/out" ] && pass || fail "another model" "exit status $status"

# ---- call depth ------------------------------------------------------------------------------------------------------------
run eval calltrace --print-items --per-depth 1 --seed 2
is "calltrace --print-items" 0 '^\{"id":"d02-00","depth":2,"program":"def [a-z]{4}\(x\):\\n    return x [+-] [0-9]+\\ndef [a-z]{4}\(x\):\\n    return [a-z]{4}\(x [+-] [0-9]+\)\\nprint\([a-z]{4}\([0-9]+\)\)\\n","answer":-?[0-9]+\}$' ""
[ "$(wc -l <"$dir/out")" -eq 20 ] && pass || fail "calltrace --per-depth" "$(wc -l <"$dir/out") lines"
trace="eval calltrace $ember --per-depth 1 --prompt short"
run $trace
is "calltrace" 0 '^short, wall: [0-9]+$' ""
[ "$(grep -cE '^short, depth [0-9]+, [1-9][0-9.]* tokens an item: ' "$dir/out")" -eq 20 ] && pass || fail "calltrace" "a depth has no tokens"
is "calltrace: by depth" 0 '^short, depth 20, [0-9.]+ tokens an item: [01] of 1, [0-9.]+ % \[[0-9.]+, [0-9.]+\]$' ""
cp "$dir/out" "$dir/figures"
same "calltrace" $trace
run $trace --json
is "calltrace as JSON" 0 '^\{"items":20,"short":\{"wall":[0-9]+,"depths":\[\{"right":' ""
run $trace --at-least 19
is "calltrace: a bound that is not met" 3 "^short, wall: " '^stoker eval: wall [0-9.]+ is below --at-least 19$'
run $trace --show
is "calltrace --show" 0 '^What does this Python program print\? Answer with the number only\.$' ""
trace="eval calltrace $ember --per-depth 1"
told='^stoker: warning: .*ember.gguf was trained on 1024 positions'
run $trace
cp "$dir/out" "$dir/figures"
rm "$dir/whole"
taken_up "calltrace" $trace
sed '3s/"short"/"shirt"/g' "$dir/whole" >"$dir/other"
run $trace --out "$dir/other" --resume
is "a result without its reply" 2 "" "^stoker eval: $dir/other, line 3: has no reply to \"short\" of d02-00$"
run $trace --out "$dir/whole" --resume --seed 2
is "results of other programs" 2 "" 'has results of another run: (seed|prompts_sha256) is '
told=

# ---- valid JSON ------------------------------------------------------------------------------------------------------------
awk 'NR % 14 == 1' "$tasks/jsonval.jsonl" >"$dir/jsonval.jsonl"
cp "$tasks/jsonval_tools.json" "$dir/"
json="eval json $ember -f $dir/jsonval.jsonl"
told='^stoker: warning: .*ember.gguf was trained on 1024 positions'
run $json
is "json" 0 '^parses, constrained: 36 of 36, 100.00 % ' "$told"
is "json: valid" 0 '^valid, constrained: 36 of 36, 100.00 % ' "$told"
is "json: free" 0 '^valid, free: [0-9]+ of 36, ' "$told"
is "json: names" 0 '^name, constrained: ([0-9]+) of \1, 100.00 % ' "$told"
cp "$dir/out" "$dir/figures"
run $json --threads 1 --chunk 16 --memory min
is "json --threads 1 --chunk 16 --memory min" 0 "=$(cat "$dir/figures")" "$told"
rm "$dir/whole"
taken_up "json" $json
told=
sed '2s/"free_valid":\[[a-z]*,/"free_valid":[7,/' "$dir/whole" >"$dir/other"
run $json --out "$dir/other" --resume
is "a result that says nothing" 2 "" "^stoker eval: $dir/other, line 2: does not say free_valid of "
run $json --limit 1 --show
is "json --show" 0 '<\|im_start\|>user' ""
printf '{"id":"a","messages":[],"schema":{}}\n' >"$dir/items"
run eval json "$ember" -f "$dir/items"
is "no messages" 2 "" "^stoker eval: $dir/items, line 1: \"messages\" is no list of messages$"
printf '{"id":"a","messages":[{"role":"user","content":"x"}]}\n' >"$dir/items"
run eval json "$ember" -f "$dir/items"
is "no schema" 2 "" 'line 1: has neither "schema" nor "tools", or both$'
# asked WHAT ITEM SENTENCE: what no constraint can be made of is found before the model is loaded, and left out by --skip
asked() {
    printf '{"id":"a","messages":[{"role":"user","content":"x"}],%s}\n' "$2" >"$dir/items"
    run eval json "$ember" -f "$dir/items"
    is "$1" 2 "" "^stoker eval: $dir/items, line 1: a: $3"
    run eval json "$ember" -f "$dir/items" --skip
    grep -q '^stoker eval: 1 of 1 items are left out by --skip$' "$dir/err" && [ "$status" = 2 ] && pass || fail "$1 with --skip" "$(cat "$dir/err")"
}
asked "no such type" '"schema":{"type":"strin"}' '"schema": schema error at #/type: unknown type "strin"$'
asked "no schema of a tool" '"tools":[{"function":{"name":"f"}}],"expect":{"name":"f"}' 'the tool "f" has no "parameters" to hold a call against$'
asked "a tool's pattern" '"tools":[{"function":{"name":"f","parameters":{"type":"string","pattern":"("}}}],"expect":{"name":"f"}' \
    '"parameters": schema error at #/pattern: a group is not closed'
asked "no tools" '"tools":[],"expect":{"name":"f"}' '"tools" is no list of tools, or has none$'
asked "another tool" '"tools":[{"function":{"name":"f","parameters":{}}}],"expect":{"name":"g"}' '"expect" names the tool "g", which "tools" does not have$'
printf '{"id":"a","messages":[{"role":"user","content":"x"}],"tools":"@absent","expect":{"name":"f"}}\n' >"$dir/items"
run eval json "$ember" -f "$dir/items"
is "no such tools" 2 "" "^stoker eval: $dir/items, line 1: $dir/absent"
# No answer of 512 tokens fits: it is cut, the others are rated, and nobody is at fault.
printf '{"id":"%s","messages":[{"role":"user","content":"x"}],"schema":{"type":"string","minLength":%s}}\n' long 5000 short 5 >"$dir/items"
run eval json "$ember" -f "$dir/items"
is "an answer that cannot fit" 0 '^valid, constrained: 4 of 8, ' ""
# 50,000 numbers take more as JSON than as text; what --limit leaves out is not read
{
    printf '{"id":"a","messages":[{"role":"user","content":"x"}],"schema":{}}\n'
    printf '{"id":"b","messages":[{"role":"user","content":"x"}],"schema":{"enum":[0'
    seq -f ',%g' 50000 | tr -d '\n'
    printf ']}}\n'
} >"$dir/items"
run eval json "$ember" -f "$dir/items" --show --memory 2MiB
is "items above half of --memory" 2 "" "^stoker eval: $dir/items: reading it takes more than half of --memory: "
run eval json "$ember" -f "$dir/items" --show --memory 2MiB --limit 1
is "items behind --limit" 0 '^---- a$' ""

# ---- comparing -------------------------------------------------------------------------------------------------------------
run eval mcq "$ember" -f "$items" --mode reply --out "$dir/a"
run eval compare "$dir/a" "$dir/a"
is "a file with itself" 0 '=no difference shown: all 60 items have equal results' ""
# fewer FILE N OUT: the same results, of which the first N right ones are wrong
fewer() { awk -v n="$2" 'n > 0 && /"right":\{"acc":true/ { sub(/"acc":true/, "\"acc\":false"); n-- } { print }' "$1" >"$3"; }
fewer "$dir/a" 3 "$dir/b"
run eval compare "$dir/a" "$dir/b"
is "three of sixty" 0 '=no difference shown: an effect under 5.8 points would not be seen with 60 items' ""
fewer "$dir/a" 12 "$dir/b"
run eval compare "$dir/a" "$dir/b"
is "twelve of sixty" 0 '=B worse than A by 20.0 points [10.0, 31.7], p = 0.00049' ""
run eval compare "$dir/b" "$dir/a"
is "the other way" 0 '=B better than A by 20.0 points [10.0, 31.7], p = 0.00049' ""
run eval compare "$dir/a" "$dir/b" --json
is "compare as JSON" 0 '^\{"unit":"points","items":60,"asked_otherwise":0,"figures":\[\{"name":"acc","verdict":"B worse","items":60,"only_a":12,"only_b":0,' ""
# Four answers of one item fail together: five items of forty show nothing, where twenty answers of 160 would.
for n in 0 5 12; do
    {
        echo '{"eval":"json","version":1}'
        seq 40 | awk -v n=$n '{ v = $1 > n ? "true" : "false"; printf "{\"id\":\"%s\",\"right\":{\"free_valid\":[%s,%s,%s,%s]}}\n", $1, v, v, v, v }'
        echo '{"summary":{}}'
    } >"$dir/json$n"
done
run eval compare "$dir/json0" "$dir/json5"
is "answers of five items" 0 '^no difference shown' ""
run eval compare "$dir/json0" "$dir/json12" --json
is "items that A is right about more often" 0 '"only_a":12,"only_b":0,' ""
sed 's/true/1/' "$dir/json0" >"$dir/numbers"
run eval compare "$dir/json0" "$dir/numbers"
is "answers that are numbers" 2 "" 'has no free_valid to compare$'
run eval compare "$dir/json0" "$dir/json12"
is "answers of twelve items" 0 '^B worse than A by 30.0 points' ""
run eval mcq "$ember" -f "$items" --mode text --limit 24 --out "$dir/t"
run eval compare "$dir/t" "$dir/t"
is "three figures" 0 "^p by Holm's correction for 3 figures$" ""
run eval compare "$dir/a" "$dir/t"
is "other options" 2 "" "^stoker eval: $dir/a and $dir/t cannot be compared: (mode|prompts_sha256) is "
sed 's/Norway/Sweden/' "$items" >"$dir/changed"
run eval mcq "$ember" -f "$dir/changed" --mode reply --out "$dir/c"
run eval compare "$dir/a" "$dir/c"
is "one prompt changed" 2 "" "^stoker eval: $dir/a and $dir/c cannot be compared: prompts_sha256 is "
run eval mcq "$ember" -f "$items" --mode reply --limit 40 --out "$dir/fewer"
# rates FILE N RATE TRUTH: results of N items with four answers each
rates() {
    echo '{"eval":"json","version":1}' >"$1"
    for i in $(seq "$2"); do echo "{\"id\":\"$i\",\"right\":{\"$3\":[$4,$4,$4,$4]}}"; done >>"$1"
    echo '{"summary":{}}' >>"$1"
}
for rate in free_truncated free_backslash_name constrained_wrapped; do
    rates "$dir/faults" 9 $rate true
    rates "$dir/none" 9 $rate false
    run eval compare "$dir/faults" "$dir/none"
    is "fewer faults ($rate)" 0 '^B better than A by 100.0 points' ""
done
rates "$dir/three" 3 free_valid true
rates "$dir/wrong" 3 free_valid false
run eval compare "$dir/three" "$dir/wrong" --json
is "three items as JSON" 0 '"verdict":"no difference shown","items":3,' ""
run eval compare "$dir/a" "$dir/fewer" --common
is "--common" 0 '^40 items in common, of 60 and 40$' ""
run eval compare "$dir/a" "$dir/c" --common
is "--common, some asked otherwise" 0 '^([1-9]|[1-5][0-9]) items in common, of 60 and 60$' ""
is "--common: what is left out" 0 '^[1-9][0-9]* more have the same ids and were asked otherwise: they are left out$' ""
sed '$d' "$dir/a" >"$dir/open"
run eval compare "$dir/a" "$dir/open"
is "results that are not whole" 2 "" "^stoker eval: $dir/open is not whole: end that run with --resume, or compare by --common$"
sed '4s/.*/nonsense/' "$dir/a" >"$dir/bad"
run eval compare "$dir/a" "$dir/bad"
is "results that are no JSON" 2 "" "^stoker eval: $dir/bad, line 4: is no JSON object$"
sed '4p' "$dir/a" >"$dir/twice"
run eval compare "$dir/a" "$dir/twice"
is "a result twice" 2 "" "^stoker eval: $dir/twice, line 5: has been there before$"
run eval compare "$dir/a" "$items"
is "no file of results" 2 "" "^stoker eval: $items is no file of results of stoker eval$"
run eval compare "$dir/a" "$dir/absent"
is "no such results" 1 "" "$dir/absent"
run eval compare "$dir/a"
is "one file" 2 "" '^stoker eval compare: which two files of results\? A.jsonl B.jsonl$'
for kv in f16 q8_0; do
    run eval ppl "$ember" -f "$data/eval/eval.txt" --parse-special --ctx 256 --chunks 6 --kv $kv --out "$dir/$kv"
done
run eval compare "$dir/f16" "$dir/q8_0"
is "chunks" 0 '^(B worse than A by|B better than A by|no difference shown: an effect under) 0\.[0-9]{4} nats a token' ""
for file in f16 q8_0; do { sed -n '1,4p' "$dir/$file" && sed -n '$p' "$dir/$file"; } >"$dir/$file.three"; done
run eval compare "$dir/f16.three" "$dir/q8_0.three" --common
is "three chunks" 0 '^no difference shown: 3 chunks are too few for an interval$' ""
run eval compare "$dir/f16.three" "$dir/q8_0.three" --common --json
is "three chunks as JSON" 0 '"verdict":"no difference shown","chunks":3,.*"low":null,"high":null,"p":1.0\}' ""

# KL divergences from one base file: both figures a chunk.
run eval kld "$ember" -f "$data/eval/eval.txt" --parse-special --ctx 256 --chunks 6 --save "$dir/base"
for kv in f16 q8_0; do run eval kld "$ember" --base "$dir/base" --kv $kv --out "$dir/kld_$kv"; done
run eval compare "$dir/kld_f16" "$dir/kld_f16"
is "a comparison with itself" 0 '^KL divergence: no difference shown: all 6 chunks have equal results$' ""
run eval compare "$dir/kld_f16" "$dir/kld_q8_0"
is "divergences" 0 '^KL divergence: B worse than A by 0\.[0-9]{4} nats a token \[0\.[0-9]{4}, 0\.[0-9]{4}\], p = ' ""
is "divergences: two figures" 0 '^-ln p: ' ""
run eval kld "$ember" -f "$data/eval/eval.txt" --parse-special --ctx 256 --chunks 5 --save "$dir/base5"
run eval kld "$ember" --base "$dir/base5" --out "$dir/kld_5"
run eval compare "$dir/kld_f16" "$dir/kld_5"
is "divergences from another base" 2 "" 'cannot be compared: (base_sha256|chunks) is '

done_testing
