#include "nn/turns.hpp"

#include <algorithm>
#include <string_view>

#include "base/check.hpp"

namespace llmdit::nn {
namespace {

thread_local int64_t models_in_use = 0;  // by this thread

}  // namespace

std::shared_ptr<Turns> turns_of(const LoadOptions& options) {
  return options.max_memory ? std::make_shared<Turns>() : nullptr;
}

void Turns::add(const std::shared_ptr<Place>& place) {
  const std::lock_guard lock(mutex_);
  std::erase_if(places_, [](const auto& other) { return other.expired(); });
  places_.push_back(place);
}

void Turns::remove(const std::shared_ptr<Place>& place) {
  const std::lock_guard lock(mutex_);
  place->leaves_for_good = true;
  if (place->users == 0) empty(*place);
}

Turns::Model Turns::enter(const std::shared_ptr<Place>& place, const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  const auto may_enter = [&] { return models_in_use > 0 || place->model || others_are_idle(*place); };
  if (!left_.wait(lock, stop, may_enter))
    fail(ErrorCode::cancelled, "pipeline", std::string_view("stopped while another call used the memory"));
  if (!place->model) {
    clear_but(place.get());
    place->model = place->make();
  }
  ++place->users;
  ++models_in_use;
  return Model(place->model.get(), [self = shared_from_this(), place](const void*) { self->leave(*place); });
}

void Turns::clear() {
  const std::lock_guard lock(mutex_);
  clear_but(nullptr);
}

void Turns::leave(Place& place) {
  {
    const std::lock_guard lock(mutex_);
    --place.users;
    --models_in_use;
    if (place.leaves_for_good && place.users == 0) empty(place);
  }
  left_.notify_all();
}

bool Turns::others_are_idle(const Place& place) const {
  return std::ranges::all_of(places_, [&](const std::weak_ptr<Place>& entry) {
    const auto other = entry.lock();
    return !other || other.get() == &place || other->users == 0;
  });
}

void Turns::empty(Place& place) {
  if (!place.model) return;
  place.model.reset();
  place.give_back();
}

void Turns::clear_but(const Place* place) {
  for (const auto& entry : places_) {
    const auto other = entry.lock();
    if (other && other.get() != place && other->users == 0) empty(*other);
  }
}

}  // namespace llmdit::nn
