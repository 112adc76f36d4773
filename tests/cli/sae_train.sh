# Training autoencoders: what is asked for and what is refused, what interruptions, kills and full disks leave, the plan; and what an
# autoencoder of the embedded model tells of texts: recorded, trained, looked at, exported, steered by. No other program takes part.
. tests/cli/harness

write=${data%/data}/tests/sae_train rows=$dir/rows.safetensors o=$dir/sae
"$write" --write "$rows"
train="sae train $rows --features 400 --k 2 --batch 500 --epochs 1 --aux 0.1 --dead 500 --threads 2"
cut_last() { # cut_last FILE: without its last N bytes
    head -c "$(($(stat -c %s "$1") - $2))" "$1"
}
same() { # same WHAT: the folder is the first one
    cmp -s "$o/sae_weights.safetensors" "$dir/first/sae_weights.safetensors" && cmp -s "$o/cfg.json" "$dir/first/cfg.json" &&
        cmp -s "$o/stoker.json" "$dir/first/stoker.json" && [ "$(ls "$o" | wc -l)" = 3 ] && [ ! -e "$o.part" ] && pass ||
        fail "$1" "another folder: $(ls "$o" "$o.part" 2>&1 | tr '\n' ' ')"
    rm -rf "$o"
}

# ---- what is told ------------------------------------------------------------------------------------------------------------------
run $train -o "$dir/first" --log "$dir/log"
is "a training" 0 '^[^ ]*first: layer 0, 400 features of 64 values, k 2; FVU 0\.[0-9]{4}, [0-9.]+ active a row, [0-9]+ never; 80 batches of 500 rows, in [0-9.]+ s; memory .*, at most ' ""
[ "$(wc -l <"$dir/log")" = 80 ] && [ "$(tail -n 1 "$dir/log" | grep -cE '^\{"batch":80,"rows":40000,"fvu":0\.[0-9]+,"active":[0-9.]+,"dead":[0-9]+,"lr":0\.00015\}$')" = 1 ] &&
    pass || fail "--log" "$(tail -n 1 "$dir/log")"
grep -q '"dead":[1-9]' "$dir/log" && pass || fail "--log" "no feature ever died, so none was used again"
run $train -o "$o" --json
is "as JSON" 0 '^\{"path":"[^"]*sae","layer":0,"features":400,"width":64,"k":2,"fvu":0\.[0-9]+,"active":[0-9.]+,"never_active":[0-9]+,"rows":40000,"batches":80,"resumed":0,"seconds":[0-9.]+,"memory":[0-9]+,"peak":[0-9]+\}$' ""
[ "$(sed 's/.*"memory":\([0-9]*\),"peak":\([0-9]*\).*/\1 \2/' "$dir/out" | awk '{print ($2 <= $1)}')" = 1 ] && pass || fail "its peak" "$(cat "$dir/out")"
same "again"
for how in "--threads 1 --memory min" "--threads 3 --cpu-tier scalar" "--memory 1G --save-every 7"; do
    run $train -o "$o" $how
    same "the same with $how"
done

# ---- what ends in between ------------------------------------------------------------------------------------------------------------
# Killed at some moment, again and again, until it is done; whatever is left, it goes on.
runs=0
while [ ! -e "$o" ] && [ $runs -lt 60 ]; do
    runs=$((runs + 1))
    timeout -s KILL "0.$((runs * 7 % 4))$((runs * 3 % 10))" "$stoker" $train -o "$o" --resume --save-every 1 --threads 1 >"$dir/out" 2>"$dir/err"
    [ -e "$o" ] || [ $runs -lt 40 ] || run $train -o "$o" --resume --save-every 1
done
rm -f "$o/train.state" # of a kill behind the last byte
[ $runs -gt 1 ] && pass || fail "kills" "none came in time"
same "killed $runs times"
# Ctrl-C: the state is there.
run sae train "$rows" -o "$dir/none" --features 8x --epochs 0
is "no epoch" 2 "" '--epochs'
( "$stoker" $train --epochs 400 -o "$o" >"$dir/out" 2>"$dir/err" & echo $! >"$dir/pid"; wait $!; echo $? >"$dir/status" ) 2>/dev/null &
waiter=$!
while [ ! -s "$dir/pid" ]; do sleep 0.05; done
sleep 1
kill -TERM "$(cat "$dir/pid")"
wait $waiter
status=$(cat "$dir/status")
is "interrupted" 130 "" '^stoker sae train: interrupted behind batch [0-9]+ of 32000; --resume goes on from what is saved$'
[ -e "$o.part/train.state" ] && [ ! -e "$o" ] && pass || fail "interrupted" "no state"
run $train --epochs 400 -o "$o"
is "beside a state" 2 "" 'sae\.part holds a training that was interrupted: --resume goes on with it'
run $train --epochs 399 -o "$o" --resume
is "with other options" 2 "" 'of a training of other rows or with other options'
cut_last "$o.part/train.state" 5 >"$dir/cut"
cp "$dir/cut" "$o.part/train.state"
run $train --epochs 400 -o "$o" --resume
is "a state cut off" 1 "" 'train\.state is damaged'
rm -rf "$o.part"
# A disk that is full: one sentence, and what was saved before stays.
(ulimit -f 500; timeout $limit "$stoker" $train -o "$o" --save-every 10 >"$dir/out" 2>"$dir/err"; echo $? >"$dir/status")
status=$(cat "$dir/status")
is "no room for a state" 1 "" '^stoker sae train: .*sae\.part/train\.state\.part cannot be written: File too large$'
[ ! -e "$o" ] && [ ! -e "$o.part" ] && pass || fail "no room" "leaves $(ls "$o.part")"
if [ -w /dev/full ]; then
    run $train -o "$o" --log /dev/full
    is "no room for the log" 1 "" '--log /dev/full cannot be written: No space left on device'
    rm -rf "$o.part" "$o"
fi

# ---- refused -------------------------------------------------------------------------------------------------------------------------
refused() { # refused WHAT STATUS SENTENCE ARGUMENT...
    what=$1 want=$2 sentence=$3
    shift 3
    run sae train "$@"
    is "$what" "$want" "" "$sentence"
}
refused "no rows" 2 'which rows\?' -o "$o"
refused "no folder" 2 '-o DIR: where to\?' "$rows"
refused "rows that are not there" 2 'absent: cannot be opened' "$dir/absent" -o "$o"
refused "something else" 1 'is no safetensors|its header' "$dir/log" -o "$o"
refused "another layer" 2 'it has no tensor resid_post\.3' "$rows" -o "$o" --layer 3
refused "an autoencoder" 2 'it has no tensor resid_post\.N' "$dir/first/sae_weights.safetensors" -o "$o"
refused "a folder that is there" 2 'first is there already' "$rows" -o "$dir/first"
refused "a batch too large" 2 '--batch: 40001 rows; .* has 40000' "$rows" -o "$o" --batch 40001
refused "k above the features" 2 '--k: 9 of 8 features' "$rows" -o "$o" --features 8 --k 9
refused "little memory" 2 '--memory 1 MiB is too little for 512 features of 64 values and batches of 1024 rows: [0-9]+ MiB are the least' "$rows" -o "$o" --memory 1M
refused "a folder nowhere" 1 'cannot be made: No such file' "$rows" -o "$dir/a/b"
for bad in 0 x 8y '' -3; do refused "--features '$bad'" 2 '--features' "$rows" -o "$o" --features "$bad"; done
refused "a tier that there is not" 2 '--cpu-tier fast: there is no such tier' "$rows" -o "$o" --cpu-tier fast
{ head -c 1000000 "$rows"; printf '\000\000\300\177'; tail -c +1000005 "$rows"; } >"$dir/nan.safetensors"
refused "a value that is no number" 1 'nan\.safetensors: resid_post\.0: value [0-9]+ of row [0-9]+ is not finite' "$dir/nan.safetensors" -o "$o"
refused "a rate too high" 2 'batch [0-9]+ is not finite: it has diverged; lower --lr' "$rows" -o "$o" --features 200 --k 6 --lr 1e9
refused "a rate too high for the last batch" 2 'the autoencoder is not finite: it has diverged; lower --lr' "$rows" -o "$o" --features 8 --k 6 --batch 40000 --lr 1e9 --epochs 2
cut_last "$rows" 64 >"$dir/short.safetensors"
refused "rows cut off" 1 'short\.safetensors' "$dir/short.safetensors" -o "$o"
[ ! -e "$o" ] && [ ! -e "$o.part" ] && pass || fail "refused" "leaves a folder"

# ---- the whole story, on the embedded model --------------------------------------------------------------------------------------------
e=$data/steering/ember j=$dir/ember.safetensors s=$dir/layer3
within="--memory 512M"
run activations "$ember" --text "$e/text.jsonl" --layers 3 -o "$j" $within
is "245 texts" 0 "" 'resid_post\.3 f32 \[42065, 256\]'
run sae train "$j" -o "$s" --features 2048 --k 16 --lr 3e-3 --aux 0 --json $within
is "an autoencoder of them" 0 . ""
[ "$(sed 's/.*"fvu":\([0-9.]*\),.*"never_active":\([0-9]*\).*/\1 \2/' "$dir/out" | awk '{print ($1 <= 0.065 && $2 < 40)}')" = 1 ] && pass ||
    fail "FVU and features" "$(cat "$dir/out")"
run sae features "$ember" --sae "$s" --positive "$e/positive.txt" --negative "$e/negative.txt" --top 2048 --json $within
is "its features" 0 . ""
sed 's/.*"feature":\([0-9]*\),"positive":\([0-9]*\),"negative":\([0-9]*\),.*/\1 \2 \3/' "$dir/out" |
    awk '($2 >= 5 && $3 == 0) || ($2 >= 10 && $3 <= 4)' >"$dir/telling"
[ -s "$dir/telling" ] && pass || fail "telling features" "there is none"
read -r feature rest <"$dir/telling"
run sae features --sae "$s" --export "$feature" -o "$dir/f.gguf"
is "one of them as a vector" 0 'add, layers 3-3' ""
ask="activations $ember -p Hi --sae $s --tensors final $within"
run $ask --control-vector-scaled "$dir/f.gguf:8" -o "$dir/vector"_.safetensors
run $ask --steer "[{\"sae\":\"layer3\",\"op\":\"add\",\"feature\":$feature,\"value\":8}]" -o "$dir/feature"_.safetensors
is "steered by it" 0 "" '^autoencoder layer3: topk, layer 3, 2048 features, made for ember, sha256 [0-9a-f]{16}$'
for x in vector feature; do LC_ALL=C sed -E 's/"steer":"[0-9a-f]{64}"//' "$dir/$x"_.safetensors >"$dir/$x"; done
cmp -s "$dir/vector" "$dir/feature" && pass || fail "a feature and its vector" "other bits"
done_testing
