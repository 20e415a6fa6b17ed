import HopyardContainers
import HopyardUserland
import HopyardWire

extension ComposeNetwork {
  /// Reads a network.
  init(_ field: YAMLField, project: String) throws(Problem) {
    let what = "network `\(field.name)'"
    let fields = try field.value.fields(what)
    try fields.refuseUnknown(ComposeKeys.network, prefixes: ["x-"])
    var specification = NetworkSpecification(name: "\(project)_\(field.name)")
    if let name = fields["name"] { specification.name = try name.string("name") }
    var isExternal = false
    if let external = fields["external"] {
      if external.entries != nil {
        isExternal = true
        if let name = external["name"] { specification.name = try name.string("name") }
      } else {
        isExternal = try external.bool("external")
      }
      if isExternal, fields["name"] == nil, external.entries == nil {
        specification.name = field.name
      }
    }
    if let driver = fields["driver"] {
      specification.driver = try driver.string("driver")
      if specification.driver == "default" { specification.driver = "bridge" }
      guard ["bridge", "host", "none", "null"].contains(specification.driver) || isExternal else {
        throw driver.problem(
          "the driver \(specification.driver) is not modelled, expected bridge, host or none"
        )
      }
    }
    if let value = fields["internal"] { specification.isInternal = try value.bool("internal") }
    if let value = fields["attachable"] {
      specification.isAttachable = try value.bool("attachable")
    }
    if let value = fields["enable_ipv4"] { specification.hasIPv4 = try value.bool("enable_ipv4") }
    if let value = fields["enable_ipv6"] { specification.hasIPv6 = try value.bool("enable_ipv6") }
    if let options = fields["driver_opts"] {
      for pair in try options.pairs("driver_opts") {
        specification.options.append((pair.name, pair.value ?? ""))
      }
    }
    if let labels = fields["labels"] {
      for pair in try labels.pairs("labels") {
        specification.labels.append((pair.name, pair.value ?? ""))
      }
    }
    if let ipam = fields["ipam"] { try Self.read(ipam, into: &specification) }
    self.init(key: field.name, specification: specification, isExternal: isExternal)
  }

  private static func read(_ node: YAMLNode, into specification: inout NetworkSpecification)
    throws(Problem)
  {
    let fields = try node.fields("ipam")
    try fields.refuseUnknown(ComposeKeys.ipam)
    for item in try fields["config"]?.sequence("config") ?? [] {
      let inner = try item.fields("an item of config")
      try inner.refuseUnknown(ComposeKeys.ipamConfig)
      func subnet(_ key: String) throws(Problem) -> Subnet? {
        guard let value = inner[key] else { return nil }
        guard let subnet = Subnet(try value.string(key)) else {
          throw value.problem(
            "\(key) is `\(value.text ?? "")', expected a subnet such as 10.5.0.0/16"
          )
        }
        return subnet
      }
      if let value = try subnet("subnet") {
        specification.subnets.append(value)
        if value.isIPv6 { specification.hasIPv6 = true }
      }
      if let value = try subnet("ip_range") { specification.ranges.append(value) }
      if let value = inner["gateway"] {
        guard let address = IPAddress(try value.string("gateway")) else {
          throw value.problem("gateway is `\(value.text ?? "")', expected an IP address")
        }
        specification.gateways.append(address)
      }
      guard let reserved = inner["aux_addresses"] else { continue }
      for pair in try reserved.pairs("aux_addresses") {
        guard let address = IPAddress(pair.value ?? "") else {
          throw pair.node.problem("\(pair.name) is `\(pair.value ?? "")', expected an IP address")
        }
        specification.reserved.append((pair.name, address))
      }
    }
  }
}
