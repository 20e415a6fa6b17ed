extension Simulation {
  /// What clocks show when a run begins, in seconds since 1970: 2026-01-01 00:00:00 UTC.
  public static let epoch: Int64 = 1_767_225_600
}
