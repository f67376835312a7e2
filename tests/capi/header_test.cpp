// The header in C++, where an enumeration has a type of its own: the same as in C, into which any number goes.
#include <llmdit.h>

#include <type_traits>

template <class... Enum>
constexpr bool are_ints = (std::is_same_v<std::underlying_type_t<Enum>, int> && ...);
static_assert(are_ints<llmdit_status, llmdit_dtype, llmdit_option_struct, llmdit_finish_reason>);
