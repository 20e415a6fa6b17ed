/// What was learned of single destinations against what the routes say: a path's MTU and a
/// redirect's gateway (`fib_nh_exception`).
struct NexthopExceptions {
  struct Exception {
    var mtu = 0
    var isMTULocked = false
    var gateway: UInt32 = 0
    var expires = Instant.zero
  }

  private var entries: [UInt32: Exception] = [:]

  /// Whether nothing was learned.
  @inline(__always) var isEmpty: Bool { entries.isEmpty }

  /// What was learned of a destination and has not expired.
  func find(_ destination: UInt32, now: Instant) -> Exception? {
    guard let entry = entries[destination], entry.expires > now else { return nil }
    return entry
  }

  func mtu(of destination: UInt32, now: Instant) -> Int? {
    guard !entries.isEmpty, let found = find(destination, now: now), found.mtu > 0 else {
      return nil
    }
    return found.mtu
  }

  mutating func setMTU(_ mtu: Int, isLocked: Bool, for destination: UInt32, until: Instant) {
    var entry = entries[destination] ?? Exception()
    entry.mtu = mtu
    entry.isMTULocked = isLocked
    entry.expires = until
    entries[destination] = entry
  }

  mutating func setGateway(_ gateway: UInt32, for destination: UInt32, until: Instant) {
    var entry = entries[destination] ?? Exception()
    entry.gateway = gateway
    entry.expires = until
    entries[destination] = entry
  }

  /// Forgets everything, as `ip route flush cache` and every change of the routes do.
  mutating func removeAll() { entries.removeAll() }
}
