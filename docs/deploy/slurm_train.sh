#!/bin/sh
# Fine-tuning on two machines of 8 GPUs by SLURM and torchrun; submitted again it goes on from the last checkpoint:
#   DATA=voc:/data/VOC:2012:train OUT=/data/model sbatch --export=ALL slurm_train.sh
#SBATCH --job-name=finetune
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=8
#SBATCH --cpus-per-task=64
#SBATCH --time=24:00:00
#SBATCH --signal=TERM@120
#SBATCH --requeue
set -eu
: "${DATA:?a SPEC}" "${OUT:?the folder to write to}"

first=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
resume=
if [ -e "$OUT/last.ckpt" ]; then resume=--resume; fi
# shellcheck disable=SC2086 # no word, or one
exec srun torchrun --nnodes "$SLURM_JOB_NUM_NODES" --nproc-per-node 8 --rdzv-backend c10d \
    --rdzv-id "$SLURM_JOB_ID" --rdzv-endpoint "$first:29500" \
    -m inception_rcnn train finetune --data "$DATA" --out "$OUT" --device cuda --images 512 $resume
