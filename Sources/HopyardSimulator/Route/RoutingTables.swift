/// A namespace's routing tables and policy rules for one version of IP.
public final class RoutingTables<Address: RoutableAddress> {
  /// Counts changes: what was looked up before the last one is out of date.
  public internal(set) var generation: UInt32 = 1

  /// Makes the three standard tables and the three standard rules.
  public init() {}
}
