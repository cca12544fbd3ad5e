#include "zeroipc/background/callback.h"

#include <gtest/gtest.h>

#include <stdexcept>
#include <string>
#include <vector>

namespace zeroipc {
namespace {

class Callback : public ::testing::Test {
 protected:
  ~Callback() override { set_callback_error_handler({}); }
};

TEST_F(Callback, OneThatReturnsIsNotReported) {
  int reports = 0;
  set_callback_error_handler([&](const callback_error&) { ++reports; });
  bool called = false;
  EXPECT_TRUE(internal::call_back("here", [&] { called = true; }));
  EXPECT_TRUE(called);
  EXPECT_EQ(reports, 0);
}

TEST_F(Callback, WhatItThrowsGoesToTheHandler) {
  std::vector<std::string> reports;
  set_callback_error_handler(
      [&](const callback_error& e) { reports.push_back(e.where + ": " + e.what); });
  EXPECT_FALSE(internal::call_back("here", [] { throw std::runtime_error("no disk"); }));
  EXPECT_FALSE(internal::call_back("there", [] { throw 42; }));
  EXPECT_EQ(reports, (std::vector<std::string>{"here: no disk",
                                               "there: something that is not a std::exception"}));
}

TEST_F(Callback, AHandlerThatThrowsEndsNothing) {
  set_callback_error_handler([](const callback_error&) { throw 1; });
  EXPECT_FALSE(internal::call_back("here", [] { throw 2; }));
}

TEST_F(Callback, WithoutAHandlerItIsALineOnStderr) {
  ::testing::internal::CaptureStderr();
  EXPECT_FALSE(internal::call_back("here", [] { throw std::runtime_error("no disk"); }));
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "zeroipc: here threw: no disk\n");
}

}  // namespace
}  // namespace zeroipc
