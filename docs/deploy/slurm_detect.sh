#!/bin/sh
# A run of detect in 64 shards by SLURM, a core each, and their merging once all are done:
#   PHOTOS=/data/photos OUT=/data/found sbatch --export=ALL slurm_detect.sh
# Submitted again it does what is missing. A job that SLURM stops at its time limit ends after the image at hand.
#SBATCH --job-name=detect
#SBATCH --array=0-63
#SBATCH --cpus-per-task=1
#SBATCH --mem=2G
#SBATCH --time=24:00:00
#SBATCH --signal=TERM@60
#SBATCH --requeue
set -eu
: "${PHOTOS:?the folder of the images}" "${OUT:?the folder to write to}"

if [ "$SLURM_ARRAY_TASK_ID" -eq 0 ]; then
    sbatch --dependency="afterok:$SLURM_ARRAY_JOB_ID" --job-name=merge --mem=8G --wrap "inception-rcnn merge '$OUT'"
fi
export OMP_NUM_THREADS="$SLURM_CPUS_PER_TASK"
exec srun inception-rcnn detect "$PHOTOS" --out "$OUT" --no-draw --quiet \
    --shard "$SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT"
