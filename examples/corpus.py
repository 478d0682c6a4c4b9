"""The words of the example documents that `make.py` writes as PDF, DOCX and XLSX."""

from datetime import date

SAFETY_EIDER = [
    ("h1", "Safety manual: Eider"),
    ("p", "Document SM-EID, edition 4, valid from 1 February 2025. This extract is for everyone who works on board; the full "
          "manual is on the bridge. The master answers for its use, the designated person ashore for its content."),
    ("h2", "1. Alarms"),
    ("p", "The general alarm is seven short blasts and one long blast on the whistle and the alarm bells. Everyone goes to a "
          "muster station; nobody uses the lift. The order to leave the ship is given by the master alone, by word of mouth and by "
          "loudspeaker, never by a signal."),
    ("p", "A fire is reported to the bridge on internal number 11 or by the nearest call point. Whoever finds it closes the door "
          "first, reports second and fights it third."),
    ("h2", "2. Muster stations"),
    ("p", "The stewards lead passengers to the stations and count them. The count goes to the bridge in writing."),
    ("table", [
        ["Station", "Place", "Deck", "Persons", "Led by"],
        ["A", "Forward saloon", "5", "110", "Chief steward"],
        ["B", "Aft saloon", "5", "120", "Second steward"],
        ["C", "Open deck aft", "6", "59", "Second mate"],
    ]),
    ("h2", "3. Life-saving appliances"),
    ("p", "There are 318 lifejackets for adults, 32 for children and 8 for infants. The lockers are under the seats at stations A "
          "and B, and in white boxes at station C. Lifejackets are inspected every year in January."),
    ("table", [
        ["Appliance", "Number", "Persons each", "Place", "Next service"],
        ["Life raft, throw-over", "6", "50", "Boat deck, both sides", "November 2026"],
        ["Marine evacuation slide", "2", "-", "Amidships, both sides", "May 2026"],
        ["Rescue boat", "1", "6", "Starboard, deck 6", "May 2026"],
        ["Lifebuoy with light", "12", "1", "All open decks", "yearly"],
        ["Immersion suit", "9", "1", "Crew mess", "March 2027"],
    ]),
    ("h2", "4. Fire on the car deck"),
    ("list", [
        "The bridge starts the drencher of the section concerned. Each of the four sections uses 5,100 litres of water a minute.",
        "The ventilation of the car deck is stopped and the dampers are closed.",
        "A burning electric vehicle is cooled, not smothered: the drencher stays on until the master orders otherwise, and at least "
        "for 45 minutes.",
        "No one opens the doors to the car deck without the order of the bridge.",
        "The ship turns so that the smoke drifts away from station C.",
    ]),
    ("h2", "5. Person overboard"),
    ("list", [
        "Shout, point, do not look away, throw a lifebuoy with light.",
        "The bridge gives three long blasts, marks the position and turns towards the side of the fall.",
        "The rescue boat is manned by the second mate and two deckhands. It must be in the water within five minutes.",
        "The coast guard is told at once on channel 16, even if the person is in sight.",
    ]),
    ("h2", "6. Drills"),
    ("p", "Abandon ship and fire are drilled by every crew once a week, person overboard once a month, and the slides are released "
          "for practice every second year. A drill that could not be held is made up within 24 hours and entered in the log."),
    ("table", [
        ["Drill", "How often", "Who leads", "Longest allowed time"],
        ["Abandon ship", "weekly", "Master", "18 minutes to last raft"],
        ["Fire", "weekly", "Chief mate", "4 minutes to first hose"],
        ["Person overboard", "monthly", "Second mate", "5 minutes to boat in water"],
        ["Loss of power", "every quarter", "Chief engineer", "45 seconds to emergency power"],
    ]),
    ("h2", "7. After an incident"),
    ("p", "The master calls the designated person ashore, Peter Norgate, on 555 0199 at any hour. Nobody on board speaks to the press; "
          "calls are passed on to communications. The log and the voyage data recorder are secured before the crew leaves the ship."),
]

ANNUAL_REPORT = [
    ("h1", "Annual report 2025 (short version)"),
    ("p", "Tolm Sound Ferries carried more people in 2025 than in any year before. The fast catamaran grew most; only the shuttle to "
          "Vessay lost passengers, because the new causeway to the fish farm made some trips needless. The year closed with a small surplus."),
    ("h2", "Passengers"),
    ("table", [
        ["Route", "2023", "2024", "2025", "Change 2025"],
        ["R1 Marrick - Tolm", "398,120", "412,300", "431,850", "+4.7 %"],
        ["R2 Marrick - Skarra", "140,450", "138,900", "141,200", "+1.7 %"],
        ["R3 Tolm - Vessay", "66,010", "64,750", "61,400", "-5.2 %"],
        ["R4 Marrick - Vessay", "79,330", "88,120", "97,560", "+10.7 %"],
        ["All routes", "683,910", "704,070", "732,010", "+4.0 %"],
    ]),
    ("p", "The busiest day was Saturday 19 July with 5,204 passengers. 138,600 cars and 9,420 lorries were carried, 2.1 percent more cars "
          "and 0.6 percent fewer lorries than the year before."),
    ("h2", "Punctuality"),
    ("p", "A sailing counts as punctual when the ramp is down no later than five minutes after the time in the timetable. Sailings that "
          "were cancelled for weather are not counted."),
    ("table", [
        ["Quarter", "Sailings", "Punctual", "Cancelled for weather", "Cancelled for technical reasons"],
        ["1", "2,410", "91.2 %", "96", "11"],
        ["2", "3,006", "95.8 %", "9", "7"],
        ["3", "3,352", "93.4 %", "4", "21"],
        ["4", "2,388", "88.9 %", "121", "14"],
    ]),
    ("p", "The technical cancellations of the third quarter stem mostly from the days in August when the Guillemot was being repaired."),
    ("h2", "Money"),
    ("p", "All amounts in millions of euros. The public service grant is paid by the county under a contract that ends on 31 December 2029."),
    ("table", [
        ["Item", "2024", "2025"],
        ["Tickets and passes", "10.78", "11.42"],
        ["Vehicles and freight", "7.61", "7.86"],
        ["Public service grant", "3.10", "3.10"],
        ["Buffet, rent and other", "1.19", "1.27"],
        ["Revenue in all", "22.68", "23.65"],
        ["Wages and social costs", "9.84", "10.12"],
        ["Fuel", "4.92", "4.61"],
        ["Maintenance and docking", "3.75", "4.08"],
        ["Other costs and interest", "3.86", "4.00"],
        ["Surplus", "0.31", "0.84"],
    ]),
    ("h2", "Environment"),
    ("p", "The fleet burned 5,310 tonnes of marine gas oil, 3.4 percent less than in 2024, although it sailed more. Slower steaming on R2 in "
          "winter saved most of it. Since May all buffets serve in dishes that are washed; this avoids about 210,000 paper cups a year."),
    ("h2", "What passengers say"),
    ("p", "1,874 passengers answered the survey of October 2025. On a scale from 1 to 5 they gave the crew 4.6, cleanliness 4.2, punctuality "
          "4.1, the buffet 3.7 and the web site 3.2. The most frequent wish, named by 38 percent, was a later boat home from Tolm on weekdays."),
    ("h2", "Outlook"),
    ("p", "For 2026 the company expects 745,000 passengers. The largest single outlay will be the quay works for the electric ferry in "
          "Marrick. The web site will be replaced in the spring of 2026."),
]

GROUPS_2023 = [
    ("h1", "Group bookings: terms and conditions"),
    ("p", "Valid from 1 April 2023. Issued by the ticket office, Tolm Sound Ferries."),
    ("h2", "1. Groups"),
    ("p", "A group is at least 15 people who travel together on the same sailing. The group receives a discount of 10 percent on the single "
          "fare. One leader for every 15 pupils travels free of charge with school classes."),
    ("h2", "2. Booking"),
    ("p", "Group bookings are made in writing at least five working days before departure. A seat is guaranteed only after the ticket office has "
          "confirmed the booking. No deposit is asked for."),
    ("h2", "3. Cancellation"),
    ("p", "A group booking can be cancelled free of charge up to 14 days before departure. Later cancellations cost half of the fare; within 48 "
          "hours before departure, and when the group does not appear, the full fare is due."),
    ("table", [
        ["Cancelled before departure", "Charge"],
        ["14 days or more", "none"],
        ["13 days to 48 hours", "50 percent of the fare"],
        ["less than 48 hours", "100 percent of the fare"],
    ]),
    ("h2", "4. Luggage"),
    ("p", "Groups hand in large luggage at the terminal 40 minutes before departure. Trolleys are available in Marrick only."),
    ("h2", "5. Complaints"),
    ("p", "Complaints are answered within 15 working days. They are sent to the ticket office, Pier House, 4 Quay Street, Marrick."),
]

HANDBOOK = [
    ("h1", "Staff handbook"),
    ("p", "Edition of 1 May 2024. It holds for all employees of Tolm Sound Ferries, at sea and ashore, unless the collective agreement says "
          "something better for you."),
    ("h2", "Starting with us"),
    ("p", "The first six months are a probationary period. During probation the notice period is two weeks for both sides. After that it is one "
          "month in the first five years and three months from the sixth year on."),
    ("p", "On the first day you get a uniform, a safety induction of three hours and a mentor. The mentor stays with you for eight weeks."),
    ("h2", "Working time"),
    ("p", "Crews work in turns of seven days on and seven days off. A working day at sea has at most 12 hours, and there are at least 10 hours "
          "of rest in any 24 hours, which may be split into two parts, one of them of at least six hours."),
    ("p", "Ashore, the week has 37.5 hours. Between 10:00 and 15:00 everyone is there; the rest is up to you and your team. Up to two days a week "
          "can be worked from home where the task allows it."),
    ("h2", "Leave"),
    ("table", [
        ["Kind of leave", "Days a year", "Remark"],
        ["Annual leave", "27", "31 from the age of 55"],
        ["Moving house", "1", "once in two years"],
        ["Own wedding", "3", ""],
        ["Birth of a child", "10", "for the other parent, in addition to the law"],
        ["Death of a close relative", "4", ""],
        ["Training of your own choice", "5", "every second year, with the agreement of the department"],
    ]),
    ("p", "Annual leave that was not taken expires on 31 March of the following year. Up to five days can be carried further if the roster was the "
          "reason."),
    ("h2", "When you are ill"),
    ("p", "Call the duty officer or your department before your shift begins, if possible two hours before. A doctor's certificate is needed from "
          "the fourth day on. Sick pay is the full wage for twelve weeks."),
    ("h2", "Travelling with us"),
    ("p", "Employees travel free of charge on all routes with their staff card. Partners and children under 18 pay half. The card may not be lent; who lends it "
          "loses it for a year."),
    ("h2", "Alcohol and drugs"),
    ("p", "The limit on duty is zero. The masters may order a test at any time. Who has drunk calls in before the shift and takes a day of "
          "leave; this has no other consequence the first time."),
    ("h2", "Expenses"),
    ("list", [
        "Travel by train is in second class; travel by private car is paid with 0.38 euros per kilometre.",
        "Hotels are paid up to 140 euros a night, breakfast included.",
        "Claims are handed in within 60 days, with receipts. Later claims are not paid.",
    ]),
    ("h2", "Speaking up"),
    ("p", "Safety worries can be sent without a name to the letter box in each crew room or to the designated person ashore. No one suffers for "
          "a report that was made in good faith."),
]

ELECTRIC_FERRY = [
    ("h1", "Project Kittiwake: the electric car ferry"),
    ("p", "Project summary, version 6 of 30 January 2026. Project manager: Hanne Brekke."),
    ("h2", "Why"),
    ("p", "R1 carries three of five passengers and burns more than half of the fuel of the fleet. Its crossing is short enough for batteries. "
          "The Eider will move to R2 and the Guillemot, by then 33 years old, will be sold."),
    ("h2", "The ship"),
    ("p", "Kittiwake will carry 320 passengers and 50 cars. Her battery holds 4.2 megawatt hours, of which one crossing uses about 0.9. Two "
          "generators for biodiesel are on board for emergencies and for the trip to the dock. The battery is expected to last ten years; its "
          "replacement is part of the operating costs."),
    ("h2", "Charging"),
    ("p", "Charging towers with 5 megawatts in Marrick and 2.5 megawatts on Tolm plug in automatically. In Marrick nine minutes are enough to put back "
          "what a round trip has used. The power comes from the county grid under a contract with Sound Energy; the price is fixed for six years."),
    ("h2", "What it costs, and who pays"),
    ("p", "The contract with Brandvold Yard was signed on 12 June 2025. The price of the ship is 38.4 million euros. The charging towers and quay "
          "works come to another 7.3 million and are paid by the county."),
    ("table", [
        ["Source of money for the ship", "Million euros"],
        ["Green Transition Fund", "14.0"],
        ["Bank loan over 20 years", "18.4"],
        ["Own means", "6.0"],
        ["Sum", "38.4"],
    ]),
    ("h2", "Milestones"),
    ("table", [
        ["Milestone", "Planned", "State"],
        ["Contract", "June 2025", "done on 12 June 2025"],
        ["First steel", "November 2025", "done on 18 November 2025"],
        ["Launch", "September 2026", "on time"],
        ["Quay works in Marrick", "5 October to 20 November 2026", "tendered"],
        ["Sea trials", "February 2027", "on time"],
        ["Delivery", "12 April 2027", "on time"],
        ["First sailing with passengers", "17 May 2027", "on time"],
    ]),
    ("h2", "What it brings"),
    ("p", "The emissions of the fleet fall by 2,900 tonnes of carbon dioxide a year. The noise at the quay in Marrick falls from 71 to 58 decibels. "
          "Energy for R1 will cost about 0.6 million euros a year instead of 1.9."),
    ("h2", "Risks"),
    ("list", [
        "The grid connection on Tolm is not finished in time. Answer: charge in Marrick only and sail one round trip less a day.",
        "Engineers cannot be trained before delivery. Answer: the yard trains two per month from November 2026.",
        "The old ferry cannot be sold. Answer: her book value is already zero.",
    ]),
]

FARES = [
    ("Single", [
        ["Single fares in euros, valid from 1 April 2026"],
        ["Route", "Adult", "Child 6-15", "Senior 67+", "Student"],
        ["R1 Marrick - Tolm", 8.20, 4.10, 5.50, 6.20],
        ["R2 Marrick - Skarra", 14.60, 7.30, 9.80, 11.00],
        ["R3 Tolm - Vessay", 4.90, 2.40, 3.30, 3.70],
        ["R4 Marrick - Vessay", 12.40, 6.20, 8.30, 9.30],
    ]),
    ("Passes", [
        ["Passes in euros; zones: 1 = Tolm, 2 = Skarra, 3 = Vessay"],
        ["Pass", "One zone", "Two zones", "Three zones"],
        ["Weekly, adult", 31.00, 44.00, 56.00],
        ["Monthly, adult", 98.00, 139.00, 172.00],
        ["Monthly, student", 62.00, 88.00, 109.00],
        ["Annual, adult", 980.00, 1390.00, 1720.00],
        ["Ten trips, adult", 69.00, 108.00, 131.00],
    ]),
    ("Vehicles", [
        ["Vehicles with driver, single crossing in euros"],
        ["Class", "R1", "R2", "R3"],
        ["Bicycle", 3.00, 4.50, 0.00],
        ["Motorcycle", 9.50, 16.00, 6.00],
        ["Car up to 5 m", 24.00, 41.00, 15.00],
        ["Car 5 to 6.5 m", 33.00, 56.00, 21.00],
        ["Campervan up to 8 m", 46.00, 78.00, 29.00],
        ["Lorry, each metre", 11.50, 19.00, 7.50],
        ["Caravan or trailer", 18.00, 31.00, 11.00],
    ]),
]

MAINTENANCE = [
    ("Dockings 2026", [
        ["Vessel", "Yard", "Out of service from", "Back on", "Budget (euros)", "Main work"],
        ["Eider", "Brandvold Yard", date(2026, 1, 12), date(2026, 2, 6), 610000, "Gearbox overhaul, hull paint, new saloon carpets"],
        ["Guillemot", "Havers & Sons", date(2026, 10, 5), date(2026, 10, 30), 385000, "Shaft seals, wireless internet, bow visor renewal"],
        ["Petrel", "Ostrand Marine", date(2026, 11, 9), date(2026, 11, 27), 240000, "Water jets, engine service at 24,000 hours"],
        ["Tern", "Havers & Sons", date(2026, 3, 2), date(2026, 3, 20), 175000, "Class renewal survey, ramp hinges"],
    ]),
    ("Spare parts", [
        ["Part", "Vessel", "Store", "In stock", "Minimum", "Delivery (weeks)"],
        ["Fuel injector", "Guillemot", "Marrick", 6, 4, 3],
        ["Hydraulic hose, pitch control", "Guillemot", "Tolm", 4, 2, 1],
        ["Water jet impeller", "Petrel", "Marrick", 1, 1, 16],
        ["Ramp hinge pin", "Tern", "Marrick", 2, 2, 5],
        ["Bow thruster relay", "Eider", "Marrick", 0, 2, 8],
    ]),
]

# Path below documents/, title, content.
DOCUMENTS = [
    ("fleet/eider-safety-manual.pdf", "Safety manual: Eider", SAFETY_EIDER),
    ("fleet/maintenance-2026.xlsx", "Maintenance plan 2026", MAINTENANCE),
    ("projects/electric-ferry.docx", "Project Kittiwake: the electric car ferry", ELECTRIC_FERRY),
    ("reports/annual-report-2025.pdf", "Annual report 2025", ANNUAL_REPORT),
    ("staff/handbook-2024.docx", "Staff handbook", HANDBOOK),
    ("tickets/fares-2026.xlsx", "Fares from 1 April 2026", FARES),
    ("tickets/group-conditions-2023.docx", "Group bookings: terms and conditions", GROUPS_2023),
]
