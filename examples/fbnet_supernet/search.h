// The two commands: a search, and the training of what it has chosen.
//
// In each epoch of a search SGD trains the weights of all blocks on most of the images, then Adam theta on
// the others, by a loss with the latency of the very sample that mixed the blocks. In the first epochs theta
// rests. Source: FBNet (Wu et al., CVPR 2019), section 4 and its experiments.

#pragma once

#include "run_folder.h"

// Both write into the folder `run` and continue where it has a checkpoint.
// Errors: std::runtime_error and those of latgrad, where something is missing or does not fit.
void search(const std::filesystem::path& run, const json& settings);
void retrain(const std::filesystem::path& run, const json& settings);
