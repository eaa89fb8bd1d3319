#!/bin/bash
#SBATCH --nodes=3 --ntasks-per-node=1 --cpus-per-task=8 --time=08:00:00
# A Ray cluster in a Slurm allocation, with the dashboard on its first node. Not run under Slurm: read docs/scale.md first.
# Before: MTL_HOME in a shared folder, MTL_STORE_URL in the environment, `ray get-auth-token --generate` once (home is shared).
set -euo pipefail
head=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
export RAY_AUTH_MODE=token MTL_EXECUTOR=ray MTL_RAY_ADDRESS="$head:6379" PYTHONPATH="$PWD"
srun --nodes=1 --ntasks=1 --overlap -w "$head" .venv/bin/ray start --head --port=6379 --num-cpus="$SLURM_CPUS_PER_TASK" --include-dashboard=false --block &
sleep 30  # the head has to be there before the others
srun --nodes=$((SLURM_NNODES - 1)) --ntasks=$((SLURM_NNODES - 1)) --overlap --exclude="$head" .venv/bin/ray start --address="$head:6379" --num-cpus="$SLURM_CPUS_PER_TASK" --block &
srun --nodes=1 --ntasks=1 --overlap -w "$head" .venv/bin/streamlit run app.py --server.headless=true
