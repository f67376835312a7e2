#pragma once

// Symbols are hidden by default; what carries LLMDIT_EXPORT is the library's ABI.
#if defined(_WIN32)
#ifdef LLMDIT_BUILDING
#define LLMDIT_EXPORT __declspec(dllexport)
#else
#define LLMDIT_EXPORT __declspec(dllimport)
#endif
#else
#define LLMDIT_EXPORT __attribute__((visibility("default")))
#endif
