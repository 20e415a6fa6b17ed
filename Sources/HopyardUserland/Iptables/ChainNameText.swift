import HopyardSimulator

/// Names of chains and targets in the text of rules.
enum ChainNameText {
  /// Checks the name of a chain that is to be made.
  static func check(_ name: String, _ family: RuleFamily) throws(IptablesFailure) {
    if let first = name.first, first == "-" || first == "!" {
      throw .parameter("chain name not allowed to start with `\(first)'")
    }
    if name.utf8.count >= 29 {
      throw .parameter("chain name `\(name)' too long (must be under 29 chars)")
    }
    if name.isEmpty || ExtensionCatalog.target(name, family) != nil {
      throw .parameter("chain name may not clash with target name")
    }
    if name.utf8.contains(where: { $0 == 0x20 || (9...13).contains($0) }) {
      throw .parameter("Invalid chain name `\(name)'")
    }
  }

  /// Checks the name after `-j` or `-g`.
  static func target(_ name: String) throws(IptablesFailure) -> String {
    if name.isEmpty { throw .parameter("Invalid target name (too short)") }
    if name.utf8.count >= 29 {
      throw .parameter("Invalid target name `\(name)' (28 chars max)")
    }
    if name.utf8.contains(where: { $0 == 0x20 || (9...13).contains($0) }) {
      throw .parameter("Invalid target name `\(name)'")
    }
    return name
  }
}
