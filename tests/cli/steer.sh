# Control vectors on the command line: what they do to the embedded model's answers, what is shown of them, what is refused.
. tests/cli/harness

v=$data/steering/ember raw=$data/steering/ember/mean-last-raw.gguf ablate=$data/steering/ember/ablate.gguf
says='I am a tiny demonstration model and I do not know'

# declines FILE FLAG...: how many of its questions are declined
declines() {
    asked=$1 n=0
    shift
    while read -r question; do
        "$stoker" run "$ember" -p "$question" --think off --temp 0 -n 16 --ctx 256 "$@" </dev/null >"$dir/out" 2>"$dir/err" ||
            n=1000
        case $(cat "$dir/out") in "$says"*) n=$((n + 1)) ;; esac
    done <"$v/$asked"
    echo "$n"
}
bound() { # bound WHAT NUMBER TEST BOUND
    [ "$2" "$3" "$4" ] && pass || fail "$1" "$2 are declined"
}

# ---- behaviour -----------------------------------------------------------------------------------------------------------
layer3="--control-vector-layer-range 3 3"
bound "unsteered, in the field" "$(declines in_field.txt)" -le 2
bound "unsteered, outside" "$(declines out_of_field.txt)" -ge 14
bound "scale 2" "$(declines in_field.txt --control-vector-scaled "$raw:2" $layer3)" -ge 18
bound "scale -1.5" "$(declines out_of_field.txt --control-vector-scaled "$raw:-1.5" $layer3)" -le 3
bound "another direction of that length" "$(declines in_field.txt --control-vector-scaled "$v/reversed.gguf:2" $layer3)" -le 2
bound "another direction of that length, outside" "$(declines out_of_field.txt --control-vector-scaled "$v/reversed.gguf:-1.5" $layer3)" -ge 14
bound "projected out" "$(declines out_of_field.txt --project "$ablate" --control-vector-layer-range 1-5)" -le 11

# An answer that a grammar binds keeps its form.
printf 'root ::= "red" | "green"\n' >"$dir/colours"
for scale in 1.5 -1.5 1000; do
    run run "$ember" -p 'A colour?' --think off --temp 0 -n 8 --ctx 256 --grammar "$dir/colours" --control-vector-scaled "$raw:$scale"
    is "by a grammar at $scale" 0 '^(red|green)$' .
done

# ---- what is shown -------------------------------------------------------------------------------------------------------
ask="run $ember -p Hi --think off --temp 0 -n 4 --ctx 256"
run $ask
cp "$dir/out" "$dir/plain"
run $ask --control-vector-scaled "$raw:0"
cmp -s "$dir/out" "$dir/plain" && pass || fail "scale 0" "changes the answer"
is "a vector's line" 0 . '^vector .*: add, layers 1-5, licence [^,]+, made for ember, sha256 [0-9a-f]{16}$'
run $ask --project "$ablate"
is "a vector for this model" 0 . '^vector '
[ "$(wc -l <"$dir/err")" -eq 1 ] && pass || fail "a vector for this model" "is warned of"
LC_ALL=C sed 's/qwen3moe/qwen9moe/' "$raw" >"$dir/arch.gguf"
LC_ALL=C sed 's/ember/amber/' "$raw" >"$dir/base.gguf"
LC_ALL=C sed 's/glp\.hook_point/glp.derived_at/; s/residual_stream_post_layer/residual_stream_post_block/' "$ablate" >"$dir/place.gguf"
run $ask --control-vector "$dir/arch.gguf"
is "made for another architecture" 0 . '^stoker run: arch\.gguf: made for the architecture qwen9moe, loaded on qwen3moe$'
run $ask --control-vector "$dir/base.gguf"
is "made for another model" 0 . '^stoker run: base\.gguf: made for amber, loaded on ember$'
run $ask --project "$dir/place.gguf"
is "measured elsewhere" 0 . '^stoker run: place\.gguf: its directions were measured at another place than residual_stream_post_layer, where they act$'
run plan "$ember" --json --control-vector "$raw"
is "its part of the plan" 0 '"steer": ?[1-9][0-9]{3,}' ""
run plan "$ember" --json
is "no part without" 0 '"steer": ?0' ""
run plan "$ember" --json --steer-memory 1M
is "--steer-memory" 0 '"steer": ?6[0-9]{6}' ""
run inspect "$ablate"
is "inspect" 0 '^control vector: project at residual_stream_post_layer, 5 directions of 256 values, layers 1 to 5$' ""
is "inspect: norms" 0 'norms +1: 1 ' ""
run inspect "$ablate" --json
is "inspect --json" 0 '"vector":\{"kind":"project"' ""

# ---- lists as JSON -------------------------------------------------------------------------------------------------------
run $ask --control-vector-scaled "$raw:2" --control-vector-layer-range 3 3
cp "$dir/out" "$dir/flags"
run $ask --control-vector "$raw" --steer '[{"vector":"mean-last-raw","scale":2,"layers":[3,3]}]'
cmp -s "$dir/out" "$dir/flags" && ! cmp -s "$dir/out" "$dir/plain" && pass || fail "--steer" "is not what flags say"
echo '[{"vector":0,"scale":2,"layers":[3,3],"from":0,"side":"both"}]' >"$dir/list"
run $ask --control-vector "$raw" --steer "@$dir/list"
cmp -s "$dir/out" "$dir/flags" && pass || fail "--steer @FILE" "is not what flags say"
run $ask --control-vector-scaled "$raw:2" --steer '[{"vector":0,"layers":[3,3]}]'
cmp -s "$dir/out" "$dir/flags" && pass || fail "--steer without a scale" "does not have that of --control-vector-scaled"
run $ask --control-vector-scaled "$raw:-9" --steer '[{"vector":0,"scale":2,"layers":[3,3]}]'
cmp -s "$dir/out" "$dir/flags" && pass || fail "--steer" "its scale does not go before that of --control-vector-scaled"
run $ask --control-vector "$raw" --steer '[{"vector":0,"scale":2,"to":0}]'
cmp -s "$dir/out" "$dir/plain" && pass || fail "--steer" "steers no positions"
run $ask --control-vector "$raw" --steer '[{"vector":"x"}]'
is "an unknown vector" 2 "" '^stoker run: --steer: entry 0: no such vector'
run $ask --control-vector "$raw" --steer '[{"vector":0,"scale":"2"}]'
is "a scale that is a text" 2 "" '--steer: entry 0: scale must be a number'
run $ask --control-vector "$raw" --steer '[{"vector":0,"layer":[1,2]}]'
is "an unknown key" 2 "" "--steer: entry 0: .*layer"
run $ask --control-vector "$raw" --steer '[{"vector":0,"layers":[1,9]}]'
is "layers beyond the model" 2 "" '^stoker: --steer: entry 0: layers 1 to 9; the model has layers 0 to'
run $ask --control-vector "$raw" --steer '[{"vector":0},{"vector":0,"scale":0},{"vector":0,"layers":[1,9]}]'
is "layers beyond the model, of the third" 2 "" '^stoker: --steer: entry 2: layers 1 to 9; '
run $ask --control-vector "$raw" --project "$ablate" --control-vector-layer-range 2 9
is "layers of a flag" 2 "" "^stoker: $raw: layers 2 to 9; the model has layers 0 to"
run bench "$ember" -p 8 -n 0 -r 1 --no-roofs --no-warmup --control-vector "$raw" --steer '[{"vector":0,"layers":[1,9]}]'
is "of bench" 2 "" '^stoker: --steer: entry 0: layers 1 to 9; '
run $ask --control-vector "$raw" --steer '{}'
is "no list" 2 "" '--steer: a list of at most 16 entries'
run $ask --control-vector "$raw" --steer "@$dir/absent"
is "a list that is not there" 1 "" '^stoker run: --steer .*absent'
first14=$(for l in 1 2 3 4 5; do for e in 0 1 2 3 4 5 6 7 8 9 10 11 12 13; do printf '[%d,%d],' "$l" "$e"; done; done)
first14=${first14%,}
long="run $ember -p Tell.me.a.story --think off --temp 0 -n 16 --ctx 256"
run $long
cp "$dir/out" "$dir/plain16"
run $long --steer "[{\"experts\":\"exclude\",\"list\":[$first14]}]"
cp "$dir/out" "$dir/excluded"
is "experts are excluded" 0 . ""
cmp -s "$dir/out" "$dir/plain16" && fail "excluded experts" "do not change the answer" || pass
run $long --steer "[{\"experts\":\"bias\",\"list\":[$(echo "$first14" | sed 's/\]/,-50]/g')]}]"
cmp -s "$dir/out" "$dir/excluded" && pass || fail "a large bias" "is not what excluding is"
run $long --steer "[{\"experts\":\"bias\",\"list\":[[1,0,0]]},{\"experts\":\"exclude\",\"list\":[$first14],\"to\":0}]"
cmp -s "$dir/out" "$dir/plain16" && pass || fail "experts without effect" "change the answer"
run $ask --steer '[{"experts":"exclude","list":[[1,16]]}]'
is "an expert that is not there" 2 "" '^stoker: --steer: entry 0: expert 16: layer 1 has experts 0 to 15'
run $ask --steer "[{\"experts\":\"exclude\",\"list\":[$first14,[1,14]]}]"
is "too few experts" 2 "" '^stoker: --steer: entry [0-9]: layer 1 has 1 experts left; a row takes 2 of them'
run $ask --steer '[{"experts":"exclude","list":[[1]]}]'
is "an expert without a number" 2 "" '--steer: entry 0: an expert must be .LAYER, EXPERT., from 0'
run $ask --steer '[{"experts":"exclude","list":[[1,2]],"scale":2}]'
is "a key that experts do not have" 2 "" '--steer: entry 0: .*scale'
# routes: those of a run are its own; others are told
run bench "$ember" -p 64 -n 0 -r 1 --no-roofs --no-warmup --route-trace "$dir/own.strt"
is "a trace" 0 "pp64" ""
run $long --routes "$dir/own.strt"
cp "$dir/out" "$dir/told"
is "--routes" 0 . '^routes own.strt: [0-9]+ positions, layers [0-9]-5, sha256 [0-9a-f]{16}$'
cmp -s "$dir/told" "$dir/plain16" && fail "--routes" "do not change the answer" || pass
run $long --routes "$dir/own.strt" --steer '[{"routes":"own"}]'
cmp -s "$dir/out" "$dir/told" && pass || fail "--steer of routes" "is not what --routes does"
run $long --routes "$dir/own.strt" --steer '[{"routes":0,"to":0}]'
cmp -s "$dir/out" "$dir/plain16" && pass || fail "--steer of routes" "tells no positions"
run $ask --steer '[{"routes":"own"}]'
is "routes that no flag names" 2 "" '--steer: entry 0: no such trace; --routes names its file'
run $ask --routes "$dir/own.strt" --steer '[{"routes":0,"scale":1}]'
is "a key that routes do not have" 2 "" '--steer: entry 0: .*scale'
run $ask --routes "$raw"
is "--routes of a vector" 1 "" '^stoker run: --routes .*: not a trace of routes'
run $ask --control-vector "$dir/own.strt"
is "--control-vector of a trace" 2 "" '^stoker: own.strt is a trace'
run plan "$ember" --json --routes "$dir/own.strt"
is "the plan's part of routes" 0 '"steer": ?[1-9][0-9]{3,}' ""
run bench "$ember" -p 8 -n 0 -r 1 --no-roofs --no-warmup --project "$ablate"
is "bench" 0 "pp8" '^vector .*: project, layers 1-5'

# ---- what is refused -----------------------------------------------------------------------------------------------------
run $ask --control-vector "$golden/phi3.gguf"
is "a model" 1 "" 'is a phi3 model, not a control vector$'
run $ask --control-vector "$data/steering/steer-llama-tied.a.gguf"
is "for another model" 2 "" 'have 64 values, the model.s rows 256: it is for another model$'
run $ask --project "$raw"
is "--project of a vector that is added" 1 "" '^stoker: --project .*: the file is a vector that is added'
head -c 300 "$raw" >"$dir/cut.gguf"
run $ask --control-vector "$dir/cut.gguf"
is "a file cut off" 1 "" '^stoker: .*cut.gguf: the file ends in its header'
run inspect "$dir/cut.gguf"
is "inspect of a file cut off" 1 "" '^stoker: .*cut.gguf: the file ends in its header'
run $ask --control-vector "$raw:2"
is "a scale of the other flag" 2 "" '^stoker run: --control-vector .*raw\.gguf:2: no such file; a scale is given by --control-vector-scaled .*raw\.gguf:2$'
cp "$raw" "$dir/at:2"
run $ask --control-vector "$dir/at:2"
is "a name that ends in a colon and a number" 0 . '^vector '
run $ask --control-vector "$dir/absent.gguf:2"
is "no such file, with a scale" 1 "" 'absent\.gguf:2.* cannot be opened: No such file'
run $ask --control-vector-scaled "$raw"
is "no scale" 2 "" 'FILE:S is expected'
run $ask --control-vector-scaled "$raw:1001"
is "a scale too large" 2 "" 'a number from -1000 to 1000'
run $ask --control-vector "$raw" --control-vector-layer-range 3 2
is "layers turned round" 2 "" 'two whole numbers from 1 to 4095, the smaller one first'
run $ask --control-vector "$raw" --control-vector-layer-range 3 99
is "layers that are not there" 2 "" '^stoker: .*mean-last-raw.gguf: layers 3 to 99; the model has layers 0 to'
run $ask --control-vector-layer-range 1 2
is "layers of no vector" 2 "" 'no vector is given$'
run $ask --control-vector "$dir/absent.gguf"
is "a file that is not there" 1 "" 'cannot be opened: No such file'
done_testing
