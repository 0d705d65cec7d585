#!/usr/bin/env bash
# A SLURM of one node on this machine, on which a tiny study must end with the bits of a local run, and so must a run that
# was requeued in the midst of its training. As root on Debian:
#   apt-get install slurm-wlm munge && tests/cluster/run.sh
# Ends with status 0 and a reason where it cannot be tried. Its own daemons, files and folder go away with it.
set -euo pipefail
cd "$(dirname "$0")/../.."

skip() { echo "tests/cluster: skipped: $*"; exit 0; }
[ "$(id -u)" = 0 ] || skip "not root"
for program in munged slurmctld slurmd sbatch; do
    command -v "$program" >/dev/null || skip "no $program; apt-get install slurm-wlm munge"
done
command -v pgrep >/dev/null || skip "no pgrep; apt-get install procps"
if pgrep -x slurmctld >/dev/null || pgrep -x slurmd >/dev/null; then skip "a SLURM runs here already"; fi
[ ! -e /etc/slurm/slurm.conf ] || skip "/etc/slurm/slurm.conf is there already"
python=$PWD/.venv/bin/python
[ -x "$python" ] || python=$(command -v python3)

# Jobs call `python`; SLURM hands on the PATH of who submits.
export PATH=$(dirname "$python"):$PATH

work=$(mktemp -d /tmp/bakeoff-slurm.XXXXXX)
host=$(hostname -s)
memory=$(awk '/MemTotal/ {print int($2 / 1024 * 0.9)}' /proc/meminfo)
chmod 755 "$work"
mkdir -m 755 "$work"/{state,spool,munge}
# A gpu needs a device file; none is opened here.
mknod "$work/gpu0" c 1 3 2>/dev/null || { rm -rf "$work"; skip "no device files can be made here (mknod)"; }

cat >"$work/slurm.conf" <<END
ClusterName=bakeoff
SlurmctldHost=$host(127.0.0.1)
SlurmUser=root
AuthInfo=socket=$work/munge/socket
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
GresTypes=gpu
ReturnToService=2
MinJobAge=300
StateSaveLocation=$work/state
SlurmdSpoolDir=$work/spool
SlurmctldPidFile=$work/slurmctld.pid
SlurmdPidFile=$work/slurmd.pid
SlurmctldLogFile=$work/slurmctld.log
SlurmdLogFile=$work/slurmd.log
NodeName=$host NodeAddr=127.0.0.1 CPUs=$(nproc) RealMemory=$memory Gres=gpu:1
PartitionName=main Nodes=$host Default=YES MaxTime=INFINITE State=UP OverSubscribe=NO
END
echo "NodeName=$host Name=gpu File=$work/gpu0" >"$work/gres.conf"
# Not by SLURM_CONF, which Snakemake's plugin does not hand on to jobs.
mkdir -p /etc/slurm

pids=()
end() {
    status=$?
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    wait || true
    if [ $status -ne 0 ]; then tail -n 20 "$work"/slurm*.log "$work"/*.out || true; fi
    rm -rf "$work" /etc/slurm/slurm.conf /etc/slurm/gres.conf
    exit $status
}
trap end EXIT
ln -s "$work/slurm.conf" "$work/gres.conf" /etc/slurm/

dd if=/dev/urandom of="$work/munge/key" bs=1024 count=1 status=none

chmod 600 "$work/munge/key"
munged --foreground --force --key-file="$work/munge/key" --socket="$work/munge/socket" \
    --pid-file="$work/munge/pid" --seed-file="$work/munge/seed" --log-file="$work/munge/log" &
pids+=($!)
sleep 1
slurmctld -D >/dev/null 2>&1 &
pids+=($!)
slurmd -D >/dev/null 2>&1 &
pids+=($!)
for _ in $(seq 60); do
    if sinfo -h -o %t 2>/dev/null | grep -q idle; then break; fi
    sleep 1
done
sinfo
# The daemons, not this project: in a container that lets none of them start there is nothing to be tried.
sinfo -h -o %t | grep -q idle || { tail -n 5 "$work"/slurm*.log; skip "SLURM does not come up here"; }

cat >"$work/tiny.yaml" <<END
study: tiny
datasets: [{name: digits, image_size: 12}]
models: [lenet5]
augmentations: [standard]
recipes: {quick: {epochs: 1, batch_size: 32, lr: 0.001, weight_decay: 0.01, train_images: 100}}
seeds: [0, 1]
profile: {min_calls: 3, min_seconds: 0, max_batch: 2}
END
cat >"$work/long.yaml" <<END
study: long
datasets: [{name: digits, image_size: 12}]
models: [lenet5]
augmentations: [standard]
recipes: {long: {epochs: 250, batch_size: 32, lr: 0.001, weight_decay: 0.01, train_images: 500}}
seeds: [0]
train: {checkpoint_seconds: 2}
END
checkout() { # the project's files, no results
    mkdir "$work/$1"
    cp -r Snakefile config.yaml workflow envs profiles "$work/$1"
}
digests() { (cd "$work/$1/results/runs" && find . -name predictions.npz -print0 | sort -z | xargs -0 sha256sum) >"$work/$1.sha"; }
here() { (cd "$work/here" && "$python" -m snakemake trained --cores 2 --configfile "$work/$1.yaml") >"$work/here.out" 2>&1; }
on_slurm() { # study, targets
    (cd "$work/slurm" && timeout 500 "$python" -m snakemake "${@:2}" --profile profiles/slurm --workflow-profile none \
        --configfile "$work/$1.yaml" --default-resources slurm_partition=main \
        --slurm-init-seconds-before-status-checks 5) >"$work/slurm.out" 2>&1
}
same() { # as many predictions, and the same, in both
    digests here
    digests slurm
    [ "$(wc -l <"$work/here.sha")" = "$1" ]
    diff "$work/here.sha" "$work/slurm.sha" || { echo "predictions differ"; exit 1; }
}

checkout here
checkout slurm
here tiny
begun=$SECONDS
on_slurm tiny
echo "tests/cluster: the study took $((SECONDS - begun)) s on SLURM"
test -s "$work/slurm/results/tiny/report.html"
same 2
echo "tests/cluster: 2 runs, predictions bit for bit as here"

# What a preemption does: SIGTERM to the job, back into the queue, the same job again.
here long
on_slurm long trained &
study=$!
pids+=("$study")
checkpoint="$work/slurm/results/runs/digits/lenet5/standard/long-*/seed0/checkpoint.pt"
for _ in $(seq 240); do
    if compgen -G "$checkpoint" >/dev/null; then break; fi
    sleep 0.5
done
compgen -G "$checkpoint" >/dev/null || { echo "no checkpoint was written"; exit 1; }
job=$(squeue -h -t running -o %i)
scontrol requeue "$job"
for _ in $(seq 60); do
    if squeue -h -j "$job" -o %T | grep -q PENDING; then break; fi
    sleep 1
done
# SLURM would let it wait for two minutes.
scontrol update JobId="$job" StartTime=now
wait "$study"
same 3
resumed=$(grep -ho '"resumed": *[0-9]*' "$work"/slurm/results/runs/digits/lenet5/standard/long-*/seed0/run.json)
[ "${resumed##* }" -ge 1 ] || { echo "the requeued run began anew"; exit 1; }
echo "tests/cluster: job $job was requeued, its run went on (${resumed//\"/}), predictions bit for bit as here"
