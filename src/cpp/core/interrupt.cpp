#include "core/interrupt.hpp"

#include <utility>

namespace naglass {
namespace {

constexpr std::chrono::milliseconds between_questions{100};
thread_local InterruptScope *innermost = nullptr;

}  // namespace

InterruptScope::InterruptScope(std::function<bool()> stop)
    : stop_(std::move(stop)), next_(std::chrono::steady_clock::now() + between_questions), outer_(innermost)
{ innermost = this; }

InterruptScope::~InterruptScope() { innermost = outer_; }

Interrupt Interrupt::current() { return Interrupt(innermost); }

void Interrupt::check() const
{
  if (!scope_) return;
  if (scope_->stopped_.load(std::memory_order_relaxed)) throw Interrupted();
  if (scope_ != innermost) return;  // only the thread that started the loop checks
  const auto now = std::chrono::steady_clock::now();
  if (now < scope_->next_) return;
  scope_->next_ = now + between_questions;
  if (!scope_->stop_()) return;
  scope_->stopped_.store(true, std::memory_order_relaxed);
  throw Interrupted();
}

}  // namespace naglass
