# doctor: a machine without faults, as files say, and the same with one fault each; faults of this machine that are made for a moment.
. tests/cli/harness

root=$dir/root
put() { # put PATH TEXT: a file below root
    mkdir -p "$root/$(dirname "$1")" && printf '%s\n' "$2" >"$root/$1"
}
cpu=sys/devices/system/cpu
healthy() {
    rm -rf "$root"
    put $cpu/online 0-7
    put $cpu/cpu0/cpufreq/scaling_governor powersave
    put $cpu/cpu0/cpufreq/scaling_driver intel_pstate
    put $cpu/cpu0/cpufreq/energy_performance_preference balance_performance
    put $cpu/cpu0/cpufreq/cpuinfo_max_freq 4800000
    put $cpu/cpu0/cpufreq/scaling_max_freq 4800000
    put $cpu/intel_pstate/no_turbo 0
    put sys/class/power_supply/BAT0/status Charging
    put sys/fs/cgroup/cpu.max "max 100000"
    put sys/fs/cgroup/memory.max max
    put proc/self/cgroup "0::/"
    put proc/stat "cpu 1000 0 100 90000 100 0 0 50 0 0"
    put proc/pressure/cpu "some avg10=1.00 avg60=2.00 avg300=0.00 total=1"
    put proc/pressure/io "some avg10=1.00 avg60=2.00 avg300=0.00 total=1"
    put proc/pressure/memory "some avg10=0.00 avg60=0.00 avg300=0.00 total=1"
    put sys/kernel/mm/transparent_hugepage/enabled "always [madvise] never"
    put sys/devices/system/node/online 0
    put proc/sys/kernel/numa_balancing 1
    put proc/sys/kernel/io_uring_disabled 0
    printf 'MemTotal:       32000000 kB\nSwapTotal:       8000000 kB\nSwapFree:        7900000 kB\n' >"$root/proc/meminfo"
}

healthy
run doctor --root "$root"
is "a healthy machine" 0 "=nothing was found that slows stoker here" ""
mkdir -p "$dir/bare/proc"
run doctor --root "$dir/bare"
is "files that are missing" 0 "=nothing was found that slows stoker here" ""
for nowhere in "$dir/nothing" "$root/sys"; do # no folder, and one that is no root
    run doctor --root "$nowhere"
    is "a root without proc" 2 "" "=stoker doctor: --root $nowhere: it has no folder proc; name a folder with a copy of a machine's proc and sys"
done
run doctor --root "$root" --json
is "--json of a healthy machine" 0 '^\{"findings":\[\],"memory_rate":null,"drive_rate":null,"cpus":8,"cores":null,"memory_modules":null,"memory_channels":null,"memory_rate_most":null\}$' ""

fault() { # fault NAME PATH TEXT WORDS: a healthy machine but for this; one finding
    healthy
    put "$2" "$3"
    run doctor --root "$root"
    is "$1" 3 "^$1: .*$4.*\.\$" ""
    [ "$(wc -l <"$dir/out")" -eq 1 ] && pass || fail "$1" "more than one finding"
}
fault governor $cpu/cpu0/cpufreq/scaling_driver acpi-cpufreq "governor of CPU 0 is powersave"
fault governor $cpu/cpu0/cpufreq/energy_performance_preference power "prefers saving power"
# Of CPUs that are online, whatever numbers they have: the others are not looked at, and no hole ends the search.
healthy
put $cpu/online 0,2-3,5
for n in 1 2 3 4 5; do
    put $cpu/cpu$n/cpufreq/scaling_governor performance
done
put $cpu/cpu1/cpufreq/scaling_governor powersave # offline
run doctor --root "$root"
is "the governor of a CPU that is offline" 0 "=nothing was found that slows stoker here" ""
rm -r "$root/$cpu/cpu2"
put $cpu/cpu5/cpufreq/scaling_governor powersave
put $cpu/cpu5/cpufreq/cpuinfo_min_freq 800000
put $cpu/cpu5/cpufreq/cpuinfo_max_freq 4800000
run doctor --root "$root"
is "a governor behind holes" 3 "^governor: the governor of CPU 5 is powersave, which keeps it at its lowest clock of 0.8 GHz, where it has 4.8: " ""
put $cpu/cpu5/cpufreq/scaling_governor performance
put $cpu/cpu5/cpufreq/scaling_max_freq 1600000
run doctor --root "$root"
is "a clock behind holes" 3 "^clock: the clock of CPU 5 is limited to 1.6 of 4.8 GHz" ""
healthy
put $cpu/online 1-3
put $cpu/cpu3/cpufreq/scaling_governor powersave
run doctor --root "$root"
is "CPU 0 is offline" 3 "^governor: the governor of CPU 3 is powersave, which keeps it at its lowest clock: " ""
fault clock $cpu/cpu0/cpufreq/scaling_max_freq 1600000 "1.6 of 4.8 GHz"
fault boost $cpu/intel_pstate/no_turbo 1 "may not raise its clock"
fault battery sys/class/power_supply/BAT0/status Discharging "plug it in"
fault quota sys/fs/cgroup/cpu.max "150000 100000" "grants 1.5 of 8 CPUs"
healthy
put proc/self/cgroup "0::/a.slice/b.service"
put sys/fs/cgroup/a.slice/cpu.max "50000 100000"
run doctor --root "$root"
is "the quota of a group above ours" 3 "grants 0.5 of 8 CPUs" ""
old_quota() { # old_quota QUOTA STATUS WANT: healthy but for a quota of cgroups of version 1, of 100,000 microseconds; what is said
    healthy
    rm "$root/sys/fs/cgroup/cpu.max"
    put proc/self/cgroup "4:cpu,cpuacct:/"
    put sys/fs/cgroup/cpu/cpu.cfs_quota_us "$1"
    put sys/fs/cgroup/cpu/cpu.cfs_period_us 100000
    run doctor --root "$root"
    is "a quota of version 1: $1" "$2" "$3" ""
}
old_quota 250000 3 "^quota: the cgroup grants 2.5 of 8 CPUs: "
old_quota 799999 3 "^quota: "
old_quota 800000 0 "=nothing was found that slows stoker here"
old_quota -1 0 "=nothing was found that slows stoker here" # none
healthy
put sys/class/power_supply/mouse/status Discharging
put sys/class/power_supply/mouse/scope Device
run doctor --root "$root"
is "the battery of a mouse" 0 "=nothing was found that slows stoker here" ""
fault steal proc/stat "cpu 1000 0 100 90000 100 0 0 9000 0 0" "take 9 %"
fault busy proc/pressure/cpu "some avg10=90.00 avg60=80.00 avg300=1.00 total=1" "80 %"
fault busy-drive proc/pressure/io "some avg10=90.00 avg60=70.00 avg300=1.00 total=1" "another one"
fault busy-memory proc/pressure/memory "some avg10=90.00 avg60=7.00 avg300=1.00 total=1" "lower --memory"
# Numbers that no kernel writes stay shares.
for number in 1e400 1e9 101; do
    fault busy proc/pressure/cpu "some avg10=90.00 avg60=$number avg300=1.00 total=1" "in 100 % of"
done
for number in nan -1e400; do
    healthy
    put proc/pressure/cpu "some avg10=90.00 avg60=$number avg300=1.00 total=1"
    run doctor --root "$root"
    is "pressure of $number" 0 "=nothing was found that slows stoker here" ""
done
fault steal proc/stat "cpu 1 0 0 -100 0 0 0 200 0 0" "take 100 %"
# CPUs that are threads of a core: a line, and a finding where a mask grants threads where it could grant cores.
cores() { # cores SIBLINGS...: of CPU 0 on, the list of whom it shares its core with
    n=0
    for siblings; do
        put $cpu/cpu$n/topology/thread_siblings_list "$siblings"
        n=$((n + 1))
    done
}
healthy
cores 0 1 2 3 4 5 6 7
run doctor --root "$root"
is "cores of one thread" 0 "^8 CPUs: each a core of its own$" ""
cores 0-1 0-1 2-3 2-3 4-5 4-5 6-7 6-7
run doctor --root "$root"
is "cores of two threads" 0 "^8 CPUs are threads of 4 cores: stoker computes with one of each$" ""
grep -q "^nothing was found" "$dir/out" && pass || fail "cores of two threads" "are a fault"
run doctor --root "$root" --json
is "cores of two threads as JSON" 0 '"cpus":8,"cores":4,' ""
allowed() { # allowed CPUS: and nothing else; what is found of them
    printf 'Name:\tsh\nCpus_allowed:\tff\nCpus_allowed_list:\t%s\n' "$1" >"$root/proc/self/status"
    run doctor --root "$root"
}
allowed 0-3
is "threads of two cores" 3 "^smt: the 4 CPUs that this process may use are 2 cores, .* CPUs of 4 cores \(taskset -c 0,2,4,6, docker --cpuset-cpus\), .* up to 2 times as fast\.$" ""
grep -q "^mask: this process may use 4 of 8 CPUs: " "$dir/out" && pass || fail "half of a machine" "no mask is found"
grep -q "^4 CPUs are threads of 2 cores: " "$dir/out" && pass || fail "half of a machine" "its cores are not told"
allowed 6-7
is "threads of one core" 3 "^smt: the 2 CPUs that this process may use are 1 core, .* CPUs of 2 cores \(taskset -c 0,2, " ""
allowed 0-5
is "threads of three cores of four" 3 "^smt: the 6 CPUs .* are 3 cores, .* CPUs of 4 cores .* up to 1.33 times as fast" ""
for cpus in 0,2,4,6 0,3 5; do
    allowed $cpus
    grep -q "^smt: " "$dir/out" && fail "cores by themselves: $cpus" "are a fault" || pass
done
allowed 0-7
is "all CPUs" 0 "^nothing was found" ""
allowed nonsense
is "a mask that is none" 0 "^nothing was found" ""
healthy # more threads than a line names
put $cpu/online 0-127
mkdir -p $(seq -f "$root/$cpu/cpu%.0f/topology" 0 127)
n=0
while [ $n -lt 128 ]; do
    echo $((n % 64)),$((n % 64 + 64)) >"$root/$cpu/cpu$n/topology/thread_siblings_list"
    n=$((n + 1))
done
allowed 0-31,64-95
is "threads of half of the cores" 3 "^smt: the 64 CPUs .* 32 cores, .* CPUs of 64 cores \\(taskset -c 0,1,2,.*,\\.\\.\\., docker .* up to 2 times as fast\\.$" ""

# Modules of memory, as tables of firmware list them: SMBIOS, type 17.
byte() { for n; do printf "\\$(printf %o "$n")"; done; }
table() { # table NAME,BANK,MIB,BITS,TRANSFERS...: a slot each, of DDR4
    mkdir -p "$root/sys/firmware/dmi/tables"
    for slot; do
        rest=$slot
        for field in name bank mib bits transfers; do
            eval "$field=\${rest%%,*}"
            rest=${rest#*,}
        done
        byte 17 40 0 17 0 16 254 255 $((bits + 8)) 0 "$bits" 0 $((mib % 256)) $((mib / 256)) 9 0 1 2 26 128 0 \
            $((transfers % 256)) $((transfers / 256)) 0 0 0 0 1 0 0 0 0 $((transfers % 256)) $((transfers / 256)) 0 0 0 0 0 0
        printf '%s\0%s\0\0' "$name" "$bank"
    done >"$root/sys/firmware/dmi/tables/DMI"
    byte 127 4 0 32 0 0 >>"$root/sys/firmware/dmi/tables/DMI"
}
healthy
table ChannelA-DIMM0,"BANK 0",8192,64,3200 ChannelB-DIMM0,"BANK 2",8192,64,3200
run doctor --root "$root"
is "two channels" 0 "^memory is 2 modules of DDR4-3200 in 2 channels, which give 51.2 GB/s at most$" ""
run doctor --root "$root" --json
is "two channels as JSON" 0 '"memory_modules":2,"memory_channels":2,"memory_rate_most":51200000000.0\}$' ""
table ChannelA-DIMM0,"BANK 0",8192,64,3200 ChannelA-DIMM1,"BANK 1",8192,64,3200 ChannelB-DIMM0,"BANK 2",0,64,0 ChannelB-DIMM1,"BANK 3",0,64,0
run doctor --root "$root"
is "one channel of two" 3 "^memory-channel: only one of 2 channels of memory has a module, .* into slot ChannelB-DIMM0, " ""
grep -q "^memory is 2 modules of DDR4-3200 in 1 channel, which give 25.6 GB/s at most$" "$dir/out" && pass || fail "one channel of two" "is not told"
table ChannelA-DIMM0,"BANK 0",8192,64,3200
run doctor --root "$root"
is "all of one channel" 0 "^memory is 1 module of DDR4-3200 in 1 channel, which gives 25.6 GB/s at most$" ""
table "$(printf 'DIMM_A1\033[31m')",b,8192,64,3200 "$(printf 'DIMM_B1\033[31m')",b,0,64,0
run doctor --root "$root"
grep -q "into slot DIMM_B1?\[31m, " "$dir/out" && pass || fail "a name with an escape" "is printed as it is"
head -c 60 "$root/sys/firmware/dmi/tables/DMI" >"$dir/cut" && cp "$dir/cut" "$root/sys/firmware/dmi/tables/DMI"
run doctor --root "$root"
is "a table that is cut" 0 "=nothing was found that slows stoker here" ""
put sys/devices/system/edac/mc/mc0/mc_name skx
put sys/devices/system/edac/mc/mc0/dimm0/dimm_location "channel 0 slot 0 "
put sys/devices/system/edac/mc/mc0/dimm3/dimm_location "channel 1 slot 0 "
run doctor --root "$root"
is "modules that the controller tells" 0 "^memory is 2 modules in 2 channels$" ""
fault huge-pages sys/kernel/mm/transparent_hugepage/enabled "always madvise [never]" "huge pages"
fault numa sys/devices/system/node/online 0-1 "2 memory nodes"
fault io_uring proc/sys/kernel/io_uring_disabled 2 "kernel.io_uring_disabled is 2"
fault cgroup sys/fs/cgroup/memory.high 2147483648 "before the kernel slows it \\(memory.high, MemoryHigh= of systemd\\) is limited to 2.00 GiB, and half of"
put sys/fs/cgroup/memory.max 1073741824
run doctor --root "$root"
is "a limit below memory.high" 3 "^cgroup: .*\\(memory.max, docker --memory\\) is limited to 1.00 GiB, and half of" ""
[ "$(wc -l <"$dir/out")" -eq 1 ] && pass || fail "a limit below memory.high" "more than one finding"
fault cgroup sys/fs/cgroup/memory.max 2147483648 "2.00 GiB, and half of"
rm "$root/proc/self/cgroup" # a copy that does not say which group it was: at the mount there is a container's
run doctor --root "$root"
is "a cgroup without its name" 3 "^cgroup: .*2.00 GiB, and half of" ""
healthy
printf 'MemTotal:       32000000 kB\nSwapTotal:       8000000 kB\nSwapFree:        1000000 kB\n' >"$root/proc/meminfo"
run doctor --root "$root"
is "swap" 3 "^swap: 6.68 GiB are swapped out" ""
put sys/fs/cgroup/memory.max 2147483648
run doctor --root "$root" --json
is "two findings as JSON" 3 '^\{"findings":\[\{"name":"swap",.*\{"name":"cgroup",.*\],"memory_rate":null,"drive_rate":null,"cpus":8,' ""

# The drive of a model: its numbers are the real ones, what they mean is planted.
device=sys/dev/block/$(stat -c %Hd:%Ld "$ember")
healthy
run doctor "$ember" --root "$root"
grep -Evq "^(file-system|page-cache): |^nothing was found" "$dir/out" && fail "a sound drive" "has a fault" || pass # but for what is not planted
put "$device/queue/rotational" 1
run doctor "$ember" --root "$root"
is "a turning drive" 3 "^rotational: $ember lies on a turning drive" ""
healthy
mkdir -p "$root/$device/queue"
put "$device/loop/backing_file" /srv/image
put "$device/dm/uuid" CRYPT-LUKS2-1
run doctor "$ember" --root "$root"
is "a loop" 3 "^loop: .*\(/srv/image\)" ""
grep -q "^encrypted: " "$dir/out" && pass || fail "an encrypted drive" "not found"
put sys/fs/cgroup/memory.max 33554432
run doctor "$ember" --root "$root"
is "a cgroup below the plan" 3 "^cgroup: .*32.0 MiB, and to stream nothing the model takes [0-9.]* MiB; the model does not run within it: raise that limit, " ""
put sys/fs/cgroup/memory.max 75497472 # 72 MiB: it runs, and streams
run doctor "$ember" --root "$root"
is "a cgroup in which experts are streamed" 3 "^cgroup: .* takes [0-9.]* MiB; predicted are [0-9.]+ tokens/s within it, and [0-9.]+ with all of that: raise that limit, " ""
sed -n 's/^cgroup: .*are \([0-9.]*\) tokens.s within it, and \([0-9.]*\) with.*/\1 \2/p' "$dir/out" | awk '{ ok = $1 > 0 && $1 < $2 } END { exit !ok }' && pass || fail "a cgroup in which experts are streamed" "costs nothing"

# This machine: whatever is found, it is measured, and told in both forms.
run doctor "$ember"
grep -q "^memory is read at [0-9.]* GB/s$" "$dir/out" && grep -q "^the model's drive is read at " "$dir/out" && pass ||
    fail "this machine" "its rates are not told"
grep -Eq "^memory is .*, which gives? [0-9.]+ GB/s at most$|gives at most is not known, since .*: its rate is held against (22|20|15|10|5) GB/s, which one channel gives to [0-9]+ threads?$" "$dir/out" && pass ||
    fail "this machine" "what its memory gives at most is not told, nor why it is not known"
case $status in 0 | 3) pass ;; *) fail "this machine" "exit status $status" ;; esac
cp "$dir/out" "$dir/plain"

# Real faults, where this machine and our rights let us make them, alone or two at a time: what is found was not there before.
with() { # with COMMAND...: stoker doctor under it
    timeout $limit "$@" >"$dir/out" 2>"$dir/err" </dev/null
    status=$?
}
real() { # real NAME WORDS WHY: found by the last run, unless it ended with 125; WHY: why it could not be made
    if [ "$status" -eq 125 ]; then
        skip "a real $1" "$3"
    elif grep -q "^$1: " "$dir/plain"; then
        skip "a real $1" "this machine has it already"
    elif [ "$status" -ne 3 ] || ! grep -Eq "^$1: .*$2.*\.$" "$dir/out"; then
        fail "a real $1" "exit status $status, and no sentence of it"
    else
        pass
    fi
}
tests=${data%/data}/tests
no_filter="no filter of seccomp can be had"
namespace=$(own_mounts)

limit_kib=$(awk '$1 == "MemTotal:" { print int($2 * 3 / 8) }' /proc/meminfo) # more than half is asked
for kind in "v the address space" "d data"; do
    if (ulimit -${kind%% *} "$limit_kib" && "$stoker" version) >/dev/null 2>&1; then
        with sh -c 'ulimit "-$1" "$2" && shift 2 && exec "$@"' sh "${kind%% *}" "$limit_kib" "$stoker" doctor
        real ulimit "${kind#* } \\(ulimit -${kind%% *}\\) is limited to [0-9.]* [GM]iB, and half of this machine's memory is"
    else
        skip "ulimit -${kind%% *}" "a sanitizer needs more"
    fi
done
# What cannot be measured is told, and takes nothing from what is found.
# unmeasured WHAT: the last run has a finding of this name, and says on stderr, for each further word, what was not measured and why
unmeasured() {
    about="doctor where little memory is left: $1"
    [ "$status" -eq 3 ] && grep -q "^$1: " "$dir/out" && pass || fail "$about" "exit status $status, and no finding"
    shift
    for line; do
        grep -Eq "^stoker: $line" "$dir/err" && pass || fail "$about" "does not say $line"
    done
}
tight_kib=250000 # less than any measurement takes
if (ulimit -v $tight_kib && "$stoker" version) >/dev/null 2>&1; then
    limited() { with sh -c 'ulimit -v "$1" && shift && exec "$@"' sh $tight_kib "$stoker" "$@"; }
    mapping="mapping [0-9]+ bytes of memory failed: the limit on address space"
    limited doctor
    unmeasured ulimit "the rate of memory is not measured: $mapping"
    limited doctor --json
    is "doctor --json under a small ulimit -v" 3 '^\{"findings":\[.*\{"name":"ulimit",.*"memory_rate":null,"drive_rate":null,' "."
    limited doctor "$ember" --memory 20M # less than it takes, which is a finding too
    unmeasured memory "the rate of memory is not measured: $mapping" "the drive is not measured: $mapping"
    grep -Eq "^memory: .*ember.gguf needs at least .* is too small\. Try --memory [0-9]+MiB[^.]*\.$" "$dir/out" && pass || fail "a budget that is too small" "is no finding"
else
    skip "doctor under a small ulimit -v" "a sanitizer needs more"
fi
if [ "$(nproc)" -gt 1 ] && command -v taskset >/dev/null; then
    with taskset -c "$(taskset -cp $$ | sed 's/.*[:,-] *//')" "$tests/without_ring" EPERM "$stoker" doctor
    real mask "may use 1 of [0-9]+ CPUs" "$no_filter"
else
    with "$tests/without_ring" EPERM "$stoker" doctor
    skip "a real mask" "this machine has one CPU, or no taskset"
fi
real io_uring "forbidden to this process: .* seccomp profile" "$no_filter"
mkdir "$dir/mount"
with $namespace "$tests/fuse_file" "$dir/mount" "$ember" "$tests/without_ring" ENOSYS "$stoker" doctor "$dir/mount/m.gguf"
if [ "$namespace" ] && [ "$status" -ne 125 ]; then
    real file-system "m.gguf lies on FUSE, which is read through a program"
    real io_uring "this kernel has no io_uring, or hides it"
else
    skip "a real file-system" "FUSE cannot be mounted here"
    with "$tests/without_ring" ENOSYS "$stoker" doctor
    real io_uring "this kernel has no io_uring, or hides it" "$no_filter"
fi
with "$tests/without_ring" ENOMEM "$stoker" doctor # as kernels before 5.12 say under ulimit -l, others do not ask
real io_uring "no memory may be locked for io_uring" "$no_filter"
mounted() { # mounted OPTIONS WHAT: with the model on what is mounted, in memory
    with $2 sh -c 'mount $1 "$2" && cp "$3" "$2/m.gguf" || exit 125; exec "$4" doctor "$2/m.gguf"' sh "$1" "$dir/mount" "$ember" "$stoker"
}
mounted "-t ramfs none" "${namespace:-false}"
[ "$namespace" ] || status=125
grep -q O_DIRECT "$dir/err" || status=125 # kernels differ
real page-cache "m.gguf is on a file system without O_DIRECT" "no file system without O_DIRECT can be mounted"
truncate -s 64M "$dir/image"
if [ "$(id -u)" -eq 0 ] && unshare -m true 2>/dev/null && mkfs.ext4 -q -F "$dir/image" 2>/dev/null; then
    mounted "-o loop $dir/image" "unshare -m"
else
    status=125
fi
real loop "m.gguf lies in a file that is mounted as a drive \\($dir/image\\)" "no loop can be mounted"
group=
for folder in /sys/fs/cgroup/memory /sys/fs/cgroup; do
    [ -z "$group" ] && mkdir "$folder/stoker-doctor-$$" 2>/dev/null && group=$folder/stoker-doctor-$$
done
trap '[ -z "$group" ] || rmdir "$group"; rm -rf "$dir"' EXIT
status=125
limit_group() { [ "$group" ] && echo "$1" 2>/dev/null >"$group/$([ -e "$group/memory.max" ] && echo memory.max || echo memory.limit_in_bytes)"; }
in_group() { with sh -c 'echo $$ >"$1/cgroup.procs" || exit 125; shift; exec "$@"' sh "$group" "$stoker" "$@"; }
if limit_group $((limit_kib * 1024)); then
    [ ! -w "$group/cpu.max" ] || echo "90000 100000" >"$group/cpu.max"
    in_group doctor
fi
real cgroup "is limited to [0-9.]+ [GM]iB, and half of this machine's memory is" "no cgroup can be made"
[ "$group" ] && [ -w "$group/cpu.max" ] || status=125
real quota "the cgroup grants 0.9 of [0-9]+ CPUs" "no cgroup of version 2 can be made"
is_left="is not measured, since that takes [0-9.]+ [MG]iB of memory, and the cgroup leaves [0-9.]+ [MK]*i*B beside a reserve: raise its limit$"
if limit_group 209715200 && in_group doctor "$ember" && [ "$status" -ne 125 ]; then # 200 MiB
    unmeasured memory "the rate of memory $is_left" "the drive $is_left"
    in_group doctor
    unmeasured cgroup "the rate of memory $is_left"
    for what in "plan --memory 80M --measure|this machine" "plan --memory 80M --disk|the drive" "disk $ember|the drive"; do
        # shellcheck disable=SC2086 # flags
        in_group ${what%|*}
        is "${what%|*} in a cgroup of 200 MiB" 1 "" "^stoker: ${what#*|} $is_left"
    done
else
    skip "a cgroup of 200 MiB" "none can be made"
fi

# What is wrong.
run doctor "$dir/absent.gguf"
is "no file" 1 "" "absent.gguf"
run doctor llama3.2:3b
is "a name" 2 "" "llama3.2:3b"
run doctor --roots x
is "a flag" 2 "" "did you mean --root"
done_testing
