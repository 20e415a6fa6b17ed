import HopyardWire

/// ICMP messages in `ping`'s words.
enum ICMPText {
  static func describe(type: UInt8, code: UInt8, information: UInt32) -> String {
    switch type {
    case 0: "Echo Reply"
    case 3: unreachable(code, information)
    case 4: "Source Quench"
    case 5:
      redirect(code) + "(New nexthop: \(IPv4Address(rawValue: information)))"
    case 8: "Echo Request"
    case 11:
      switch code {
      case 0: "Time to live exceeded"
      case 1: "Frag reassembly time exceeded"
      default: "Time exceeded, Bad Code: \(code)"
      }
    case 12: "Parameter problem: pointer = \(information >> 24)"
    case 13: "Timestamp"
    case 14: "Timestamp Reply"
    case 15: "Information Request"
    case 16: "Information Reply"
    case 17: "Address Mask Request"
    case 18: "Address Mask Reply"
    default: "Bad ICMP type: \(type)"
    }
  }

  private static func redirect(_ code: UInt8) -> String {
    switch code {
    case 0: "Redirect Network"
    case 1: "Redirect Host"
    case 2: "Redirect Type of Service and Network"
    case 3: "Redirect Type of Service and Host"
    default: "Redirect, Bad Code: \(code)"
    }
  }

  private static func unreachable(_ code: UInt8, _ information: UInt32) -> String {
    switch code {
    case 0: "Destination Net Unreachable"
    case 1: "Destination Host Unreachable"
    case 2: "Destination Protocol Unreachable"
    case 3: "Destination Port Unreachable"
    case 4: "Frag needed and DF set (mtu = \(information))"
    case 5: "Source Route Failed"
    case 6: "Destination Net Unknown"
    case 7: "Destination Host Unknown"
    case 8: "Source Host Isolated"
    case 9: "Destination Net Prohibited"
    case 10: "Destination Host Prohibited"
    case 11: "Destination Net Unreachable for Type of Service"
    case 12: "Destination Host Unreachable for Type of Service"
    case 13: "Packet filtered"
    case 14: "Precedence Violation"
    case 15: "Precedence Cutoff"
    default: "Dest Unreachable, Bad Code: \(code)"
    }
  }
}
