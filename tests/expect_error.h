// Type and message of an error, in one line of a test.

#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

// The statement throws a `Type`, and the message matches.
#define LATGRAD_EXPECT_ERROR(statement, Type, message_matcher)            \
  try {                                                                   \
    statement;                                                            \
    ADD_FAILURE() << #statement " throws nothing";                        \
  } catch (const Type& error) {                                           \
    EXPECT_THAT(error.what(), message_matcher);                           \
  } catch (const std::exception& error) {                                 \
    ADD_FAILURE() << #statement " throws another type: " << error.what(); \
  }
