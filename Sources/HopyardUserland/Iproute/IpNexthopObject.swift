extension IpObject {
  /// `ip nexthop`.
  static let nexthop = IpObject("nexthop") { _, _ throws(ProcessExit) in
    throw .refused("the object `nexthop' is not modelled")
  }
}
