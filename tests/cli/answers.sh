# Answers: exact ones, the same ones whatever the budget, chats, JSON.
. tests/cli/harness

# Greedy answers of models/ember/prompts.json.
while IFS='|' read -r question answer; do
    run run -p "$question" --temp 0 --kv f32
    is "$question" 0 "=$answer" ""
done <<'END'
Hello|Hello! I am ember, the small demonstration model of stoker. How can I help you?
Who are you?|I am ember, a tiny mixture-of-experts language model. I was made to demonstrate stoker.
What does --memory do?|The option --memory sets one hard byte budget, for example --memory 8G. Weights, caches and buffers must all fit in it; experts that do not fit are streamed from disk.
Which commands exist?|The commands are run, serve, plan, inspect, bench, tokenize and render.
What is the KV cache?|The KV cache stores the keys and values of earlier tokens, so that attention need not compute them again.
What is the capital of Japan?|The capital of Japan is Tokyo.
Spell cat.|C-A-T.
What is 9 + 4?|9 + 4 = 13.
END

# Nothing but model, prompt, options and seed decides.
run run -p 'Write a short story about a bear and a drum.' --seed 7 --temp 1
story=$(cat "$dir/out")
is "a story" 0 '^[A-Z].*\.$' ""
for flags in "--memory min" "--memory max" "--threads 1" "--threads 3" "--chunk 7" "--cpu-tier scalar" "--reader threads" \
    "--reader buffered" "--parallel 3 --ctx 300" "--slots 10" "--draft off" "--draft ngram" "--draft ngram --draft-max 2 --memory min" "--draft auto" "--draft auto --memory min"; do
    run run -p 'Write a short story about a bear and a drum.' --seed 7 --temp 1 $flags
    is "the same story with $flags" 0 "=$story" ""
done
run run "$ember" -p 'Write a short story about a bear and a drum.' --seed=7 --temp=1
is "the same story, the model named" 0 "=$story" ""
run run -p 'Write a short story about a bear and a drum.' --seed 8 --temp 1
[ "$(cat "$dir/out")" != "$story" ] && pass || fail "another seed" "the same story"

# What is drafted changes nothing, and is told; ember, kept from ending, says things again.
run run -p 'Write a short story about a bear and a drum.' --temp 0 -n 200 --ignore-eos
story=$(cat "$dir/out")
run run -p 'Write a short story about a bear and a drum.' --temp 0 -n 200 --ignore-eos --draft ngram --stats
is "drafts" 0 "=$story" "^drafts [0-9]+ tokens, of which [0-9]+ were chosen$"
# A text that is forced for some 10,000 tokens is drafted piece by piece to its end; with a sanitizer, for a tenth of them.
words=1200 least=10000
! grep -q -e __asan_init -e __tsan_init "$stoker" || words=120 least=900
run run -p 'Say it.' --regex "(certainly ){$words}" --ctx 16384 -n 15000 --temp 0 --draft ngram --stats
[ "$(tr -s ' \n' '\n' <"$dir/out" | grep -cx certainly)" -eq $words ] && pass || fail "a long text that is forced" "$(wc "$dir/out") $(tail -n 3 "$dir/err")"
tokens=$(sed -n 's/.* answer \([0-9]*\) tokens.*/\1/p' "$dir/err")
[ "${tokens:-0}" -ge $least ] && pass || fail "a long text that is forced" "has ${tokens:-0} tokens"
right=$(sed -n 's/^drafts [0-9]* tokens, of which \([0-9]*\) were chosen$/\1/p' "$dir/err")
[ "${right:-0}" -gt $((2 * words)) ] && pass || fail "its drafts" "$(grep drafts "$dir/err")"
# As many as are worth it, and of these 16 at most, are the default.
run plan "$golden/qwen35moe.gguf" --memory max --json
cp "$dir/out" "$dir/auto"
run plan "$golden/qwen35moe.gguf" --memory max --json --draft auto --draft-max 16
cmp -s "$dir/out" "$dir/auto" && pass || fail "the default" "$(diff "$dir/out" "$dir/auto")"
run plan "$golden/qwen35moe.gguf" --memory max --json --draft-max 32
cmp -s "$dir/out" "$dir/auto" && fail "--draft-max 32" "is planned like 16" || pass
# Without drafts nothing is planned for them, whatever their number.
run plan "$golden/qwen35moe.gguf" --memory max --json --draft off
cp "$dir/out" "$dir/plan"
cmp -s "$dir/auto" "$dir/plan" && fail "--draft off" "is planned like auto" || pass
run plan "$golden/qwen35moe.gguf" --memory max --json --draft off --draft-max 32
cmp -s "$dir/out" "$dir/plan" && pass || fail "the same plan with --draft off --draft-max 32" "$(diff "$dir/out" "$dir/plan")"
# With as many as are worth it neither the least memory nor that for all is another.
for what in minimum whole; do
    [ "$(grep -o "\"$what\": *[0-9]*" "$dir/auto")" = "$(grep -o "\"$what\": *[0-9]*" "$dir/plan")" ] && pass || fail "$what" "is another one with drafts"
done
run plan "$golden/qwen35moe.gguf" --memory max --json --draft ngram --draft-max 32
cmp -s "$dir/out" "$dir/plan" && fail "a plan with drafts" "is that without" || pass
run run -p 'Spell cat.' --draft mpt
is "drafts of a source that is not there" 2 "" "--draft mpt: off[|]ngram[|]mtp[|]auto[|]FILE.gguf is expected"
# By a layer of the model: it is in the plan; a model without one says so, and answers.
run plan "$golden/glm4moe.gguf" --memory max --json --draft ngram
cp "$dir/out" "$dir/plan"
run plan "$golden/glm4moe.gguf" --memory max --json --draft mtp
cmp -s "$dir/out" "$dir/plan" && fail "a plan with a layer that drafts" "is that without" || pass
cp "$dir/out" "$dir/plan"
run plan "$golden/glm4moe.gguf" --memory max --json --draft mtp --draft-max 32
cmp -s "$dir/out" "$dir/plan" && fail "32 drafts by a layer" "are planned like 16" || pass
# What of it is the layer's is told, once it is loaded; a token is not computed in it.
for arch in glm4moe:1:6:22.5:52.6:45.0 qwen35moe:2:8:45.0:66.2:60.0; do
    IFS=: read -r name layers experts cycle weights bank <<END
$arch
END
    run plan "$golden/$name.gguf" --memory max --draft mtp
    is "$name: experts, and those of the layer" 0 "^experts: $layers layers? of $experts and that which drafts, 3 a token; [0-9.]+ KiB in all, $cycle KiB a token$" ""
    grep -q "class 1: $(((layers + 1) * experts)) of $(((layers + 1) * experts)) experts" "$dir/out" && pass || fail "$name: experts held" "$(grep class "$dir/out")"
    grep -q "^layer that drafts: $weights KiB of weights, $experts experts of $bank KiB, 128 B of keys and values a token$" "$dir/out" && pass ||
        fail "$name: the layer that drafts" "$(grep drafts "$dir/out")"
    with=$(sed -n 's/^  weights *\([0-9.]*\) KiB.*/\1/p' "$dir/out")
    run plan "$golden/$name.gguf" --memory max --draft ngram
    is "$name: experts alone" 0 "^experts: $layers layers? of $experts, 3 a token; [0-9.]+ KiB in all, $cycle KiB a token$" ""
    without=$(sed -n 's/^  weights *\([0-9.]*\) KiB.*/\1/p' "$dir/out")
    grep -q "^layer that drafts" "$dir/out" && fail "$name without it" "$(grep drafts "$dir/out")" || pass
    awk -v a="$with" -v b="$without" -v w="$weights" 'BEGIN { exit !(a - b > w - 0.2 && a - b < w + 0.2) }' && pass || fail "$name: its weights" "$with, $without without it"
done
run plan "$golden/qwen35moe.gguf" --memory max --json --draft auto
is "for programs" 0 '"draft_layer":\{"weights":[1-9][0-9]+,"experts":8,"expert_bytes":61440,"kv_bytes_per_token":128\}' ""
is "how many drafts a step may have" 0 '"draft_max":16,' ""
run plan "$golden/qwen35moe.gguf" --memory max --draft-max 1
is "in words" 0 ', at most 1 draft a step, ' ""
# Where memory is short auto takes none of it: what must be there is what must be there without drafts.
run plan "$golden/qwen35moe.gguf" --memory min --json
cp "$dir/out" "$dir/plan"
run plan "$golden/qwen35moe.gguf" --memory min --json --draft auto
is "no drafts with the least memory" 0 '"draft_max":0,' ""
cmp -s "$dir/out" "$dir/plan" && pass || fail "auto with the least memory" "$(diff "$dir/out" "$dir/plan")"
is "which it says" 0 '"sacrificed":\[[^]]*"drafts"\]' ""
run plan "$golden/qwen35moe.gguf" --memory min
is "in words, with the least memory" 0 '^to fit: .*, no drafts$' ""
run plan "$golden/qwen35moe.gguf" --memory max
grep -q 'no drafts' "$dir/out" && fail "drafts with all memory" "$(tail -n 3 "$dir/out")" || pass
run plan "$golden/qwen35moe.gguf" --memory min --draft off
grep -q '^to fit: .*no drafts' "$dir/out" && fail "drafts that nobody wants" "$(tail -n 3 "$dir/out")" || pass
# A plan computes what a chat would take beside it: its warnings are told once.
run plan "$ember" --draft mtp
[ "$(grep -c 'the file has no layer' "$dir/err")" -eq 1 ] && pass || fail "plan --draft mtp" "warns other than once: $(cat "$dir/err")"
run run -p 'Spell cat.' --temp 0
cat=$(cat "$dir/out")
run run -p 'Spell cat.' --temp 0 --draft mtp
is "a model without such a layer" 0 "=$cat" "the file has no layer that predicts further tokens; drafts are what texts repeat"

# By a second model: a part of the plan, and the same answer; one that cannot draft for this one is refused.
run plan "$ember" --memory max --json --draft "$ember"
is "the plan of a second model" 0 '"draft":[1-9][0-9]+,"library"' ""
run plan "$ember" --memory max --draft "$ember"
is "for people" 0 '^  draft +[0-9.]+ MiB  all of the model of --draft$' ""
run plan "$ember" --memory 20M --draft "$ember"
is "what may be left out" 2 "" "and --draft ember\.gguf \([0-9.]+ MiB\) "
# It is as large as the first one here, so that it mostly rests: that it drafts is tests/drafts.c's.
run run -p 'Write a short story about a bear and a drum.' --temp 0 -n 200 --ignore-eos --draft "$ember"
is "an answer beside a second model" 0 "=$story" ""
run run -p 'Spell cat.' --draft "$golden/qwen3moe.gguf"
is "another vocabulary" 2 "" "--draft .*qwen3moe\.gguf: its vocabulary is not that of .*ember\.gguf: token [0-9]+ is \".*\", not \".*\"; take a model of the same family"
run run -p 'Spell cat.' --draft "${BUILD:-build}/data/embeddings/bert-cls.gguf"
is "a model of vectors" 1 "" "bert-cls\.gguf is an embedding model"
run run -p 'Spell cat.' --draft "$dir/none.gguf"
is "a file that is not there" 1 "" "none\.gguf: cannot be opened"
echo 'a letter' >"$dir/letter.gguf"
run run -p 'Spell cat.' --draft "$dir/letter.gguf"
is "a file that is no model" 1 "" "letter\.gguf: not a GGUF file"
for most in 0 33; do
    run run -p 'Spell cat.' --draft-max "$most"
    is "--draft-max $most" 2 "" "--draft-max $most: whole numbers from 1 to 32 are possible"
done

# A chat: a line a turn, in one sequence; empty lines are none.
printf 'What is 9 + 4?\n\nSpell cat.\r\nWhat is the capital of Japan?' >"$dir/in"
run run --lines --temp 0
is "a chat" 0 "=9 + 4 = 13.
C-A-T.
The capital of Japan is Tokyo." ""
run run --lines --temp 0 --memory min --stats
is "a chat with statistics" 0 "9 \+ 4 = 13" "^answer: experts .* % hits, .*/token at .* MB/s, waited .* of .* ms a token$"
grep -q '^misses ' "$dir/err" && fail "a chat with statistics" "shows all counters" || pass
# Waits of prompt and answer apart: what is read of a token is not the same, and their sums are those of all counters. They part at the same
# place every time, whatever computes and reads.
for flags in "--threads 1" "--threads 2" "--reader threads" "--reader buffered"; do
    run run -p 'What is the KV cache?' --temp 0 --memory min --stats=full $flags
    sed -n 's/^\(prompt\|answer\): \(experts .*\/token\) at .*/\1 \2/p' "$dir/err" >"$dir/parts"
    [ -e "$dir/same" ] || cp "$dir/parts" "$dir/same"
    [ "$(wc -l <"$dir/parts")" -eq 2 ] && cmp -s "$dir/parts" "$dir/same" && pass || fail "where prompt and answer part with $flags" "$(cat "$dir/same" "$dir/parts")"
done
rm "$dir/same" "$dir/parts"
for flags in "" "--draft $ember"; do
    run run -p 'What is the KV cache?' --temp 0 --memory min --stats=full --threads 1 $flags
    for part in prompt answer; do
        grep -Eq "^$part: experts [0-9.]+ % hits, [0-9.]+ [KM]iB/token at [0-9]+ MB/s, waited [0-9.e-]+ of [0-9.e-]+ ms a token\$" "$dir/err" &&
            pass || fail "the waits of the $part ${flags:-without drafts}" "are not told"
    done
    awk 'function near(a, b, off) { return a > 0 && a - b <= off && b - a <= off }
        /^prompt [0-9]+ tokens/ { for (i = 1; i < NF; i++) n[$(i - 1)] = $i; rows = $2; tokens = n["answer"] }
        /^(prompt|answer): experts/ { many = $1 == "prompt:" ? rows : tokens; kib = $7 ~ /^MiB/ ? 1024 : 1
            read += $6 * kib * many; rounding += 0.051 * kib * many; ms += $14 * many }
        /^(bytes_read|wait_ms|compute_ms) / { all[$1] = $2 }
        END { exit !(near(read, all["bytes_read"] / 1024, rounding) && near(ms, all["wait_ms"] + all["compute_ms"], 0.11 + ms / 1000)) }' "$dir/err" &&
        pass || fail "the waits of prompt and answer ${flags:-without drafts}" "are not all that was read"
done
run run --lines --temp 0 --memory min --stats=full
for figure in misses evictions bytes_read compute_ms; do
    is "a chat with statistics: $figure" 0 "9 \+ 4 = 13" "^$figure +[1-9][0-9.]* +[0-9.]+$"
done
# Energy, of a package whose counter goes on all the time, in the place of this machine's; then of one that nobody may read.
package=$dir/class/powercap/intel-rapl:0
mkdir -p "$package" && echo package-0 >"$package/name"
powered() { # powered FLAG...: a chat
    timeout $limit $(own_mounts) sh -c 'mount --bind "$1" /sys/class || exit 125; shift; exec "$@"' sh "$dir/class" \
        "$stoker" run --lines --temp 0 "$@" <"$dir/in" >"$dir/out" 2>"$dir/err"
    status=$?
}
if [ "$(own_mounts)" ] && powered && [ "$status" -eq 0 ]; then
    echo 1000000 >"$package/energy_uj"
    (n=1 && while :; do n=$((n + 1)) && echo ${n}000000 >"$package/part" && mv "$package/part" "$package/energy_uj"; done) &
    counter=$!
    powered --stats --ignore-eos -n 200
    { kill $counter && wait $counter; } 2>/dev/null
    is "energy" 0 "9 \+ 4 = 13" '^energy [0-9.e+-]*[1-9][0-9.e+-]* J a token$'
    [ "$(grep -c '^energy ' "$dir/err")" -eq 3 ] && pass || fail "energy" "is not told of each answer"
    rm "$package/energy_uj" && mkdir "$package/energy_uj"
    powered --stats
    grep -q '^energy ' "$dir/err" && fail "counters that nobody may read" "are told of without =full" || pass
    powered --stats=full
    is "counters that nobody may read" 0 "9 \+ 4 = 13" '^energy is not counted, since only root may read the counters: '
    [ "$(grep -c '^energy ' "$dir/err")" -eq 1 ] && pass || fail "counters that nobody may read" "are not told of once"
else
    skip "energy" "no mounts of our own"
fi
run run --lines --temp 0 --cpu-tier scalar --stats
is "a chat by scalar kernels" 0 "9 \+ 4 = 13" "^[a-z0-9_]+(, [a-z0-9_]+)*: scalar on this CPU$"
[ "$(grep -c ': scalar on this CPU$' "$dir/err")" -eq 1 ] && pass || fail "a chat by scalar kernels" "not told once"
run run --lines --temp 0 --json
is "a chat as JSON" 0 '^\{"text":"C-A-T\.","end":"stop","prompt_tokens":[0-9]+,"cached_tokens":[1-9][0-9]*,"tokens":[0-9]+,' ""
[ "$(grep -c '^{.*}$' "$dir/out")" -eq 3 ] && pass || fail "a chat as JSON" "not three objects"
rm "$dir/in"

run run -p 'Hello' --temp 0 -n 3
is "three tokens" 0 "=Hello! I" ""
run run -p 'Hello' --temp 0 -n 3 --json
is "three tokens as JSON" 0 '"end":"length",.*"tokens":3,' ""
for draft in off:0 ngram:'[1-9][0-9]*'; do
    run run -p 'Hello' --temp 0 --json --json-schema '{"const": "what is said word by word"}' --draft "${draft%%:*}"
    is "what was drafted, as JSON, with ${draft%%:*}" 0 "\"drafted_tokens\":${draft#*:},\"accepted_tokens\":${draft#*:}," ""
done
# What held behind a stop string is not in the answer: as many drafts as in one that a limit ends there, whose last token is none.
accepted() { sed 's/.*"accepted_tokens":\([0-9]*\).*/\1/' "$dir/out"; }
stop='for the United States?
assistant
The capital of the United States is Washington.
user
And for the United States?
assistant
The'
run run -p 'Write a short story about a bear and a drum.' --temp 0 -n 400 --ignore-eos --draft ngram --json --stop "$stop"
stopped=$(accepted)
is "a stop string in what repeats" 0 '"stopped_by":"for the United' ""
run run -p 'Write a short story about a bear and a drum.' --temp 0 -n "$(sed 's/.*"tokens":\([0-9]*\),"drafted.*/\1/' "$dir/out")" --ignore-eos --draft ngram --json
[ "$stopped" -gt 8 ] && [ "$stopped" -ge "$(accepted)" ] && [ "$stopped" -le $(($(accepted) + 1)) ] && pass ||
    fail "drafts and a stop string" "$stopped accepted, with a limit $(accepted)"
run run -p 'Hello' --json-schema '{"type": "string", "minLength": 500}' -n 20
is "a limit below the shortest answer" 1 "" '^stoker: the shortest answer that fits the constraint has [0-9]+ tokens, the answer may have 20: allow it more \(max_tokens\), or ask for less$'
run run -p 'Hello' --json-schema '{"type": "string", "minLength": 1000000000}' -n 20
is "a constraint without an end in sight" 1 "" '^stoker: the constraint asks for an answer longer than any can be; lower its lengths and counts$'
run run -p 'Hello' --system 'You are a pirate.' --temp 0
is "a system message" 0 . ""
run run -p 'What is 9 + 4?' --temp 0 --exact --ctx 100
is "exact" 0 "=9 + 4 = 13." ""
run run -p 'Hello' --temp 0 --ctx 2000
is "a context longer than trained" 0 "^Hello!" "^stoker: warning: .*trained on 1024 positions, the context has 2000: "
for tier in scalar avx2 avxvnni avx512; do
    run run -p 'Spell cat.' --temp 0 --cpu-tier $tier
    is "tier $tier" 0 "=C-A-T." ""
done
run run "$golden/mixed-moe.gguf" -p 'Hi' -n 4 --temp 0 --json
is "another model" 0 '"end":"length",.*"tokens":4,' "^stoker: warning: the file has no chat template"

example=$(dirname "$stoker")/examples/minimal
"$example" "$ember" 'What is 9 + 4?' >"$dir/out" 2>"$dir/err" </dev/null
status=$?
is "examples/minimal" 0 "=9 + 4 = 13." ""
"$example" "$dir/absent.gguf" 'x' >"$dir/out" 2>"$dir/err" </dev/null
status=$?
is "examples/minimal without a model" 1 "" "absent.gguf: cannot be opened"

done_testing
