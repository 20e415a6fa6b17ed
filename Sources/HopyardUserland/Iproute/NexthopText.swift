import HopyardSimulator
import HopyardWire

/// Texts of `ip nexthop`.
enum NexthopText {
  static let usage = """
    Usage: ip nexthop { list | flush } [ protocol ID ] SELECTOR
           ip nexthop { add | replace } id ID NH [ protocol ID ]
           ip nexthop { get | del } id ID
           ip nexthop bucket list BUCKET_SELECTOR
           ip nexthop bucket get id ID index INDEX
    SELECTOR := [ id ID ] [ dev DEV ] [ vrf NAME ] [ master DEV ]
                [ groups ] [ fdb ]
    BUCKET_SELECTOR := SELECTOR | [ nhid ID ]
    NH := { blackhole | [ via ADDRESS ] [ dev DEV ] [ onlink ]
            [ encap ENCAPTYPE ENCAPHDR ] |
            group GROUP [ fdb ] [ type TYPE [ TYPE_ARGS ] ] }
    GROUP := [ <id[,weight]>/<id[,weight]>/... ]
    TYPE := { mpath | resilient }
    TYPE_ARGS := [ RESILIENT_ARGS ]
    RESILIENT_ARGS := [ buckets BUCKETS ] [ idle_timer IDLE ]
                      [ unbalanced_timer UNBALANCED ]
    ENCAPTYPE := [ mpls ]
    ENCAPHDR := [ MPLSLABEL ]

    """

  /// Prints one object.
  static func print(
    _ object: NexthopObject<UInt32>,
    _ context: IpContext,
    _ output: inout IpOutput
  ) {
    let options = context.options
    output.openObject()
    output.field("id", .unsigned(UInt64(object.id)), text: "id \(object.id) ")
    if object.isGroup { printGroup(object, &output) }
    if let gateway = object.nexthop.gateway {
      let text = "\(IPv4Address(rawValue: gateway))"
      output.field("gateway", text, lead: "via ", text: text + " ", colour: .address)
    }
    if object.nexthop.ifindex != 0 {
      let name =
        context.namespace.devices[object.nexthop.ifindex]?.name ?? "if\(object.nexthop.ifindex)"
      output.field("dev", name, lead: "dev ", text: name + " ", colour: .interface)
    }
    let scope = object.isGroup || object.isBlackhole ? .universe : object.nexthop.scope
    if scope != .universe || options.details > 0 {
      let text = IprouteNames.text(scope, isNumeric: options.isNumeric)
      output.field("scope", text, text: "scope \(text) ")
    }
    if object.isBlackhole { output.field("blackhole", .null, text: "blackhole ") }
    if object.protocol != .unspecified || options.details > 0 {
      let text = IprouteNames.text(object.protocol, isNumeric: options.isNumeric)
      output.field("protocol", text, text: "proto \(text) ")
    }
    output.openArray("flags")
    let flags = context.namespace.routes.shownFlags(object.nexthop)
    for (flag, name) in [
      (NexthopFlags.dead, "dead"), (.onlink, "onlink"), (.linkdown, "linkdown"),
    ] where flags.contains(flag) {
      output.element(.string(name), text: name + " ")
    }
    output.closeArray()
    if object.isForwardingDatabase { output.field("fdb", .null, text: "fdb") }
    output.text("\n")
    output.closeObject()
  }

  private static func printGroup(
    _ object: NexthopObject<UInt32>,
    _ output: inout IpOutput
  ) {
    output.openArray("group", text: "group ")
    for (index, member) in object.members.enumerated() {
      output.openObject()
      output.field(
        "id",
        .unsigned(UInt64(member.id)),
        text: (index > 0 ? "/" : "") + "\(member.id)"
      )
      if member.weight > 1 {
        output.field("weight", .number(Int64(member.weight)), text: ",\(member.weight)")
      }
      output.closeObject()
    }
    output.closeArray(text: " ")
  }
}
