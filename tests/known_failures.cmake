# Tests that fail today, each for a defect in the server or a missing piece, or for a cause nobody has looked into yet.
# They are left as they are and out of CI by name; docs/known-failures.md says what each means. Mend the code, then delete the name.
set(tests_with_known_failures)
foreach(test ${tests_with_known_failures})
  set_tests_properties(${test} PROPERTIES ENVIRONMENT "GTEST_FILTER=-${known_failures_${test}}")
endforeach()
