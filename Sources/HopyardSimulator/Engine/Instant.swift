/// A point in virtual time, in nanoseconds since the simulation began.
@frozen
public struct Instant: Comparable, Hashable, Sendable {
  /// Nanoseconds since the start of the simulation.
  public var nanoseconds: Int64

  /// Makes an instant from nanoseconds since the start.
  @inlinable
  public init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

  /// The start of the simulation.
  public static let zero = Instant(nanoseconds: 0)

  /// The end of representable time.
  public static let distantFuture = Instant(nanoseconds: .max)

  /// Whether one instant is earlier than another.
  @inlinable
  public static func < (a: Instant, b: Instant) -> Bool { a.nanoseconds < b.nanoseconds }

  /// The instant that many nanoseconds later; it stops at `distantFuture` and at zero.
  @inlinable
  public static func + (a: Instant, nanoseconds: Int64) -> Instant {
    let (sum, overflow) = a.nanoseconds.addingReportingOverflow(nanoseconds)
    if overflow { return nanoseconds > 0 ? .distantFuture : .zero }
    return Instant(nanoseconds: sum)
  }

  /// Nanoseconds from `b` to `a`.
  @inlinable
  public static func - (a: Instant, b: Instant) -> Int64 { a.nanoseconds &- b.nanoseconds }
}

extension Int64 {
  /// That many nanoseconds for a number of microseconds.
  @inlinable
  public static func microseconds(_ count: Int64) -> Int64 { count &* 1_000 }

  /// That many nanoseconds for a number of milliseconds.
  @inlinable
  public static func milliseconds(_ count: Int64) -> Int64 { count &* 1_000_000 }

  /// That many nanoseconds for a number of seconds.
  @inlinable
  public static func seconds(_ count: Int64) -> Int64 { count &* 1_000_000_000 }
}
