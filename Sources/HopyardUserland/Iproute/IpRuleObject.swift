extension IpObject {
  /// `ip rule`.
  static let rule = IpObject("rule") { _, _ throws(ProcessExit) in
    throw .refused("the object `rule' is not modelled")
  }
}
