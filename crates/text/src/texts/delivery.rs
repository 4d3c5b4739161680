//! Texts of `delivery`.

texts! {
    /// Texts of `delivery`.
    DeliveryTexts {
        list: "投递列表: 待发的和已放弃的, 旧的在前", "What waits or was given up, oldest first";
        show: "一条投递的详情", "One delivery";
        retry: "立即重试, 死信也可", "Send them now, dead ones too";
        drop: "永久放弃", "Give them up for good";
        replay: "补发某时刻以来收到的记录", "Deliver again what was received since a time";
        pending: "待发的和发送中的", "To be sent, or on their way";
        dead: "已放弃的", "Given up";
        state: "只看此状态", "Only these";
        only_subscriber: "只看此订阅方", "Only this subscriber's";
        id: "列表中的编号", "As in the list";
        all_dead: "此订阅方的全部死信", "All dead ones of this subscriber";
        to_whom: "发给哪个订阅方", "To whom";
        since: "从何时起: 毫秒, 或 2026-11-01T00:00:00+08:00 这样的时间, 或 2h、7d", "Since when: ms, a time such as 2026-11-01T00:00:00+08:00, or 2h, 7d";
        no_number: "不是投递编号, 见 `parkgate delivery list`", "no number of a delivery: see `parkgate delivery list`";
        what: "待发或放弃的投递", "deliveries that wait or were given up";
        unknown(id: &str): "没有投递 {id}: 已送达, 或见 `parkgate delivery list`", "no delivery {id}: it was delivered, or see `parkgate delivery list`";
        retried(count: usize): "将重发 {count} 条", "{count} to be sent again";
        dropped(count: usize): "已放弃 {count} 条", "{count} dropped";
        replayed(count: u64): "将补发 {count} 条", "{count} to be sent again";
        not_listed(count: usize): "{count} 条不在列表中: 已送达?", "{count} not in the list: were they delivered?";
        is_pending: "待发", "pending";
        is_dead: "死信", "dead";
    }
}
