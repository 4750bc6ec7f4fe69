// The error bars of a table, in a file next to it.
//
//   base::replace_file(posterior_path("pixel-op_lut_database.json"), posterior_text(posterior));
//       // pixel-op_lut_database.posterior.json
//   if (auto posterior = load_posterior("pixel-op_lut_database.json", table)) posterior->price(records);
//
// The operators of the posterior are the records of the table, in file order. Quadratic in the records.

#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "latgrad/lut/estimate.h"
#include "latgrad/lut/table.h"
#include "latgrad/search/operator_posterior.h"

namespace latgrad::search {

// `<stem>.posterior.json` in the folder of the table; the suffix of a packed table, .zip or .gz, is dropped.
std::filesystem::path posterior_path(const std::filesystem::path& table);

// Where nine of ten measured times of a network lie that the table prices by p50; nothing where it lacks an
// operator, or has several records of one.
std::optional<Interval> interval_of(const lut::Estimate& estimate, const OperatorPosterior& posterior);

std::string posterior_text(const OperatorPosterior& posterior);

// Nothing where there is no such file, or where it is of another table, with other times or another number of
// them: a table that was written over. Errors: IoError; ParseError for a file that is no posterior or was
// written by a later version.
std::optional<OperatorPosterior> load_posterior(const std::filesystem::path& path, const lut::Table& table);

}  // namespace latgrad::search
