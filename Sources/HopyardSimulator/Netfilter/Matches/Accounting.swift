extension Netfilter {
  /// Makes an accounting object, which `-m nfacct` counts in (`nfacct add`); false if it is there.
  @discardableResult
  public func addAccount(_ name: String) -> Bool {
    guard accounts[name] == nil else { return false }
    accounts[name] = RuleCounters()
    return true
  }

  /// Removes an accounting object; false if there is none.
  @discardableResult
  public func removeAccount(_ name: String) -> Bool { accounts.removeValue(forKey: name) != nil }

  /// What an accounting object has counted, nil if there is none of the name.
  public func account(_ name: String) -> RuleCounters? { accounts[name] }

  /// The names of accounting objects, sorted.
  public var accountNames: [String] { accounts.keys.sorted() }

  func countAccount(_ name: String, bytes: Int) {
    accounts[name]?.count(bytes: bytes)
  }
}
