# Flags of sampling, stop strings, log-probabilities, as the command line has them.
. tests/cli/harness

tell() { run run -p 'Tell me a story.' -n 60 --temp 1 --seed 7 "$@"; }
tell
story=$(cat "$dir/out")
is "a story" 0 . ""

# ---- every flag: its default changes nothing, another value does ---------------------------------------------------------
while IFS='|' read -r flag usual others; do
    tell $flag $usual
    is "$flag $usual" 0 "=$story" ""
    tell $flag $others
    [ "$status" -eq 0 ] && [ "$(cat "$dir/out")" != "$story" ] && pass || fail "$flag $others" "changes nothing"
done <<'END'
--temp|1|3
--temp|1|-1
--top-k|40|2
--top-p|0.95|0.3
--min-p|0.05|0.6
--typical-p|1|0.2
--top-n-sigma|-1|0.3
--xtc-probability|0|1 --xtc-threshold 0.001
--xtc-threshold|0.1|0.001 --xtc-probability 1
--dynatemp-range|0|1
--dynatemp-exponent|1|4 --dynatemp-range 1
--repeat-penalty|1|1.5
--presence-penalty|0|5
--frequency-penalty|0|5
--dry-multiplier|0|9 --dry-allowed-length 1 --dry-sequence-breakers none
--mirostat|0|2
--mirostat-tau|5|1 --mirostat 2
--mirostat-eta|0.1|1 --mirostat 2
--min-keep|1|5 --top-k 1
--samplers|dry,top_n_sigma,top_k,typical_p,top_p,min_p,xtc,temperature|temperature
--logit-bias|4000=0|4000=99
--seed|7|8
END
while IFS='|' read -r base flags; do # those that change what another flag does
    tell $base
    before=$(cat "$dir/out")
    for flag in $flags; do
        tell $base "$flag"
        [ "$status" -eq 0 ] && [ "$(cat "$dir/out")" != "$before" ] && pass || fail "$base $flag" "changes nothing"
    done
done <<'END'
--frequency-penalty 3|--repeat-last-n=5 --repeat-last-n=0
--dry-multiplier 2 --dry-allowed-length 1 --dry-sequence-breakers none|--dry-base=0.5 --dry-allowed-length=4 --dry-penalty-last-n=5 --dry-sequence-breakers=e
END
comma=$("$stoker" tokenize "$ember" ,)
dot=$("$stoker" tokenize "$ember" .)
tell --logit-bias "$comma=-inf" --logit-bias "$dot=-inf"
is "two biases" 0 '^[^,.]+$' ""

while IFS='|' read -r flags sentence; do
    run run -p x $flags
    is "$flags" 2 "" "$sentence"
done <<'END'
--top-k 1.5|--top-k 1.5: whole numbers from -1 to
--repeat-penalty 0|--repeat-penalty 0: numbers from
--mirostat 1|--mirostat 1: only 2
--logit-bias 5|--logit-bias 5: ID=B is expected
--logit-bias x=1|--logit-bias x=1: ID=B
--logit-bias 5=nan|--logit-bias 5=nan: ID=B
--logit-bias 5=inf|--logit-bias 5=inf: ID=B
--samplers top_k,magic|--samplers names "magic"; stages are
--samplers top_k;top_k|--samplers names "top_k" twice
--logprobs 21 --json|--logprobs 21: whole numbers from 0 to 20
--logprobs 3|--logprobs are shown with --json
END
run run -p x --logit-bias 4096=1
is "a token that is not there" 2 "" "logit_bias names token 4096; the vocabulary has ids 0 to 4095"

# ---- seeds ---------------------------------------------------------------------------------------------------------------
run run -p 'Hello' -n 3 --json --seed 18446744073709551615
is "the largest seed" 0 '"seed":18446744073709551615\}$' ""
run run -p 'Tell me a story.' -n 60 --temp 1 --json
seed=$(sed 's/.*"seed":\([0-9]*\)}$/\1/' "$dir/out")
drawn=$(sed 's/"prompt_tokens".*//' "$dir/out")
run run -p 'Tell me a story.' -n 60 --temp 1 --json --seed "$seed"
[ "$(sed 's/"prompt_tokens".*//' "$dir/out")" = "$drawn" ] && pass || fail "a drawn seed" "another story with $seed"

# ---- stop strings --------------------------------------------------------------------------------------------------------
run run -p 'What is 9 + 4?' --temp 0 --stop ' ='
is "--stop" 0 "=9 + 4" ""
run run -p 'What is 9 + 4?' --temp 0 --stop nothing --stop=' 4 = 1' --stop 99
is "--stop across tokens" 0 "=9 +" ""
run run -p 'What is 9 + 4?' --temp 0 --stop ' = 13.x'
is "--stop that does not come" 0 "=9 + 4 = 13." ""
run run -p 'What is 9 + 4?' --temp 0 --stop 9 --json
is "--stop at once" 0 '^\{"text":"","end":"stop",.*"tokens":1,.*"stopped_by":"9"' ""
run run -p 'What is 9 + 4?' --temp 0 --think on --stop 9
is "--stop, reasoning" 0 "=" ""
printf 'What is 9 + 4?\nSpell cat.\n' >"$dir/in"
run run --lines --temp 0 --stop ' ='
is "--stop in a chat" 0 "=9 + 4
C-A-T." ""
rm "$dir/in"
run run -p Hello --stop ''
is "an empty --stop" 2 "" "--stop: a text that is not empty is expected"

# ---- log-probabilities ---------------------------------------------------------------------------------------------------
run run -p 'What is 9 + 4?' --temp 0 --logprobs 2 --json
is "--logprobs" 0 '"logprobs":\{"content":\[\{"token":"9","id":[0-9]+,"logprob":-[0-9.e-]+,"bytes":\[57\],"top_logprobs":\[\{"token":"9",' ""
n=$(grep -o '"top_logprobs"' "$dir/out" | wc -l)
grep -q "\"tokens\":$n," "$dir/out" && [ "$(grep -o '"token":' "$dir/out" | wc -l)" -eq $((3 * n)) ] && pass ||
    fail "--logprobs" "not one for each token and two likeliest"
run run -p 'What is 9 + 4?' --temp 0 --logprobs 0 --json
is "--logprobs 0" 0 '"top_logprobs":\[\]' ""

done_testing
