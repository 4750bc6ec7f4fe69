// The times of operators, inferred from the times of whole networks.
//
//   InferredTimes times = infer_operator_times(features, networks);
//   times.operators_us[7];        // sums of these predict networks
//   times.left_out_mape;          // how well: each network predicted by a fit of others
//
// Engines fuse operators, so that only whole networks can be timed in them. What an operator adds to a
// network is a line through physical features, the same for all operators of a kind, and a deviation of its
// own, which is smaller the more the measured networks can be explained without it.

#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "latgrad/net/infer_shapes.h"
#include "latgrad/net/net.h"

namespace latgrad::search {

// By kind of operator: how many there are (1), multiply-accumulates, bytes of activations read and written,
// and bytes of parameters; 0 for every other kind. All entries are non-negative, their number is the same for
// all operators. Kinds: convolutions 1x1, dense, depthwise and in groups, matrix products, what works element
// by element, views, everything else; each of floats or of 8 bits. Precondition: shapes.known.
inline constexpr size_t kPhysicalFeatures = 64;
std::vector<double> physical_features(const net::Operator& op, const net::OpShapes& shapes);

// Fewer say too little.
inline constexpr size_t kFewestNetworks = 20;

struct NetworkTime {
  std::vector<size_t> operators;  // that it consists of; one that occurs twice is there twice
  double time_us = 0;
};

struct InferredTimes {
  std::vector<double> operators_us;
  // By network: what a fit of other networks predicts, and the mean absolute relative error of these.
  std::vector<double> left_out_us;
  double left_out_mape = 0;
  double line_mape = 0;  // the same without deviations
  // How large deviations are for what the line gives an operator, over how large errors of networks are for
  // their times; chosen by the smallest left_out_mape.
  double deviation = 0;
};

// `features` by operator. Times are non-negative. What networks take whatever they consist of counts with the
// first operator that all of them have once. Errors are relative: a fast network counts as much as a slow
// one. A tenth of the networks at a time is left out. O(networks^3 + networks * operators).
// Errors: ValueError for fewer than kFewestNetworks, no operators, features of different lengths, times that
// are not positive, indices out of range.
// Sources: Lawson, Hanson, "Solving least squares problems", 1974, chapter 23; generalised least squares with
// one variance component, as in Rasmussen, Williams, "Gaussian processes for machine learning", 2006, 2.7.
InferredTimes infer_operator_times(std::span<const std::vector<double>> features,
                                   std::span<const NetworkTime> networks);

}  // namespace latgrad::search
